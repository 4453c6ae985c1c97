"""What a process of the line does beside its work."""

import logging

import pytest
from structlog.testing import capture_logs

from rgbx_line.child import OneLine


def logged(name: str, message: str, error: Exception | None) -> dict[str, object]:
    logger = logging.getLogger(name)
    handler = OneLine(logging.WARNING)
    logger.addHandler(handler)
    try:
        with capture_logs() as lines:
            logger.info("of no interest")
            try:
                if error is not None:
                    raise error
                logger.warning(message)
            except Exception:
                logger.exception(message)
    finally:
        logger.removeHandler(handler)
    (line,) = lines
    return line


def test_a_client_that_asyncua_refuses_is_one_line() -> None:
    error = ConnectionError("BadCertificateUntrusted:\n it is not in the trust list")
    line = logged("asyncua.server.uaprocessor", "Error while processing\nmessage", error)
    assert line == {
        "event": "Error while processing message",
        "log_level": "error",
        "logger": "asyncua.server.uaprocessor",
        "problem": "ConnectionError: BadCertificateUntrusted: it is not in the trust list",
    }


@pytest.mark.parametrize("error", [None, ZeroDivisionError("of our own")])
def test_of_all_others_the_traceback_stays(error: Exception | None) -> None:
    line = logged("uvicorn.error", "Exception in ASGI application", error)
    assert line["event"] == "Exception in ASGI application"
    assert line.get("exc_info") is error
