"""Names of what is published of a camera: its own name, and `camera@version` for a second form with further masks."""


def form_name(camera: str, version: str | None) -> str:
    """What viewers ask for. `version`: empty or None for the camera's own form."""
    return f"{camera}@{version}" if version else camera


def camera_of(form: str) -> str:
    """The camera that a form is of."""
    return form.partition("@")[0]


def version_of(form: str) -> str:
    """Empty for the camera's own form."""
    return form.partition("@")[2]
