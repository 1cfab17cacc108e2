"""Of the package."""

from importlib import metadata


def installed_version() -> str | None:
    """Without what a build has added behind a "+"; None where the package is not installed."""
    try:
        return metadata.version("vigie").partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def version() -> str:
    """For people."""
    return installed_version() or "from source"
