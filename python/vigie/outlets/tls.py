"""TLS towards a server whose certificate is checked, always: against the system's authorities, or one that is given."""

import os
import ssl

from vigie.errors import TlsFailedError


def client_context(ca: str | None, folder: str) -> ssl.SSLContext:
    """Raises: TlsFailedError (the file cannot be used)."""
    path = None if ca is None else os.path.join(folder, ca)
    try:
        context = ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise TlsFailedError(f"the file cannot be used: {error}", path or "") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
