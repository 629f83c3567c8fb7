"""One tree for everything that can go wrong and that somebody outside the code has to know about.

VoicebotError            carries what to do about it, and the exit code of the command that met it
├── ConfigError    (2)   config.yaml, the environment or the command line is wrong
├── AriError       (3)   Asterisk cannot be reached, or refuses
│   ├── AriUnreachable   nobody answers: worth a retry
│   ├── AriForbidden     user, password or permission
│   └── AriRefused       a request was answered with an HTTP error
├── ModelError     (4)   the Realtime service cannot be reached, or refuses
├── ResourceError  (5)   a port, file or program of this machine is missing or taken
├── OrderRefused   (5)   an outbound call that the operator's allow-list or limits do not let through
└── ProtocolError        bytes from outside that break their specification; counted, never fatal
    └── RtpError
"""


class VoicebotError(Exception):
    """Base of the tree. ``str(error)`` is the one line that a person reads.

    ``remedy`` says what to do; ``retry`` whether trying again can help; ``exit_code`` is documented in
    the README.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "", retry: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.retry = retry

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class ConfigError(VoicebotError):
    exit_code = 2


class AriError(VoicebotError):
    exit_code = 3


class AriUnreachable(AriError):
    """Nobody answers at the ARI address, or the connection broke in the middle of a request."""


class AriForbidden(AriError):
    """Asterisk answered 401 or 403."""


class AriRefused(AriError):
    """Asterisk answered a request with an error status, kept in ``status``."""

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, retry=status >= 500)
        self.status = status


class ModelError(VoicebotError):
    exit_code = 4


class ResourceError(VoicebotError):
    exit_code = 5


class OrderRefused(VoicebotError):
    """An outbound call is not made; ``why`` is ``not_allowed``, ``too_many`` or ``draining``."""

    exit_code = 5

    def __init__(self, why: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, retry=why != "not_allowed")
        self.why = why


class ProtocolError(VoicebotError):
    """Bytes from outside that break their specification."""


class RtpError(ProtocolError):
    """A datagram that is not an RTP packet this service can use (RFC 3550 section 5.1)."""
