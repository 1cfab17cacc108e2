"""Alarms by e-mail: several that wait go in one message."""

import smtplib
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from vigie.outlets.notice import TIMEOUT_S, Notice, OutletError, plain
from vigie.outlets.tls import client_context
from vigie.policy.desk_objects import Mail, server_of
from vigie.policy.windows import datetime_of

GRAVEST = {"critical": 2, "warning": 1, "notice": 0}


class MailSender:
    """One connection for each message."""

    def __init__(self, spec: Mail, password: str, folder: str) -> None:
        self._spec = spec
        self._password = password
        self._folder = folder

    def send(self, notices: Sequence[Notice]) -> None:
        """Raises: OutletError; also where one recipient was refused: the others get it again."""
        spec = self._spec
        target = server_of(spec.server)
        assert target is not None  # checked when it was declared
        try:
            with self._connect(*target) as server:
                if spec.tls == "starttls":
                    server.starttls(context=client_context(spec.tls_ca, self._folder))
                if spec.username is not None:
                    server.login(spec.username, self._password)
                refused = server.send_message(self.message(notices))
        except smtplib.SMTPAuthenticationError:
            raise OutletError(f"{spec.server}: username and password are refused") from None
        except smtplib.SMTPException as error:
            raise OutletError(f"{spec.server}: {type(error).__name__}: {str(error)[:200]}") from None
        except OSError as error:
            raise OutletError(f"{spec.server}: {error.strerror or error}") from None
        if refused:
            raise OutletError(f"{spec.server}: refused for {', '.join(sorted(refused))}")

    def _connect(self, host: str, port: int) -> smtplib.SMTP:
        if self._spec.tls == "implicit":
            context = client_context(self._spec.tls_ca, self._folder)
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(host, port, timeout=TIMEOUT_S)

    def message(self, notices: Sequence[Notice]) -> EmailMessage:
        """What is sent."""
        spec = self._spec
        first = max(notices, key=lambda one: (one.step == "raised", GRAVEST[one.alarm.severity]))
        more = f" and {len(notices) - 1} more" if len(notices) > 1 else ""
        message = EmailMessage()
        message["From"] = spec.from_
        message["To"] = ", ".join(spec.to)
        about = f"{first.alarm.kind} {first.alarm.object}"
        message["Subject"] = plain(f"[vigie {first.source}] {first.step}: {about}{more}")
        message["Date"] = format_datetime(datetime_of(first.at_ns))
        message["Message-ID"] = make_msgid(domain=spec.from_.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(one.line for one in notices) + "\n")
        return message
