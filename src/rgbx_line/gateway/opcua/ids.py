"""Node ids and status codes of OPC UA from plain numbers and names, which the library takes but does not declare."""

from asyncua import ua


def node_id(identifier: int | str, namespace: int = 0) -> ua.NodeId:
    """Return the id of a node; of OPC UA's own namespace when none is given."""
    return ua.NodeId(identifier, namespace)  # type: ignore[arg-type]


def status(code: int) -> ua.StatusCode:
    """Return a status, by one of ``ua.StatusCodes``."""
    return ua.StatusCode(code)  # type: ignore[arg-type]
