"""Why a request is not answered, each with the code of HTTP that says so."""

from digitflow.errors import DigitflowError, InputError
from digitflow.serving.answering import Unreadable
from digitflow.serving.following import NotReady


class Refusal(DigitflowError):
    """A request is refused for what it is, not for what it asks."""

    status = 400


class TooLarge(Refusal):
    """Its body has more bytes than are read."""

    status = 413


class TooSlow(Refusal):
    """Its body does not come to its end."""

    status = 408


class Gone(Refusal):
    """Whoever asked has left; nobody gets the answer, which is only counted."""

    # As nginx calls it.
    status = 499


class Unsupported(Refusal):
    """Its body is of a kind that is not read."""

    status = 415


class Busy(Refusal):
    """Others are being answered, or the answer takes too long."""

    status = 503


class Forbidden(Refusal):
    """Another site's page asks, in somebody's browser."""

    status = 403


class Unknown(Refusal):
    """Whoever asks has not said the password."""

    status = 401


def find_status(error: Exception) -> int:
    """Return the code of HTTP that an error is answered with."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, NotReady):
        return Busy.status
    if isinstance(error, Unreadable):
        return 422
    return 400 if isinstance(error, InputError) else 500


def find_headers(status: int) -> dict[str, str]:
    """Return what a client is told beside the sentence."""
    if status == Unknown.status:
        return {"www-authenticate": 'Basic realm="digitflow", charset="UTF-8"'}
    return {"retry-after": "1"} if status == Busy.status else {}


def describe_error(error: Exception) -> dict[str, str]:
    """Return an error's body: the sentence, and beside it what MLflow's clients look for."""
    if isinstance(error, DigitflowError):
        said = str(error)
    else:
        said = f"unexpected {type(error).__name__}; the service's log says more"
    code = "BAD_REQUEST" if find_status(error) < 500 else "INTERNAL_ERROR"
    return {"error": said, "error_code": code, "message": said}
