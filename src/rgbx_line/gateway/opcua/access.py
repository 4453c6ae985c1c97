"""Who may do what over OPC UA.

The library's own rules let a user named "admin" do anything with any password, look at the certificate that a client
shows and not at the one that it encrypts with, and let whoever guesses a number take over the session of another. So
the sessions here have rules of their own: nothing can be written, no node added or deleted, and who calls a method is
known to it.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from rgbx.errors import RgbxError
from rgbx_line.gateway.opcua.certificates import TrustList
from rgbx_line.settings import OpcUaServer
from rgbx_line.users import Role, Users

_log = structlog.get_logger(__name__)


@dataclass
class OpcUaUser(User):
    """Who a session belongs to."""

    line_role: Role | None = None
    """None of who gave no name: that one may read."""

    def may(self, needed: Role) -> bool:
        """Say whether it may do what ``needed`` may."""
        return self.line_role is not None and self.line_role.may(needed)


caller: ContextVar[OpcUaUser] = ContextVar("caller")
"""Who calls the method that runs."""


class People:
    """The line's users, as the library asks for them; read at each login, so that a change needs no start.

    Args:
        users: their file.
        anonymous: whether who gives no name is let in.
    """

    def __init__(self, users: Path, anonymous: bool) -> None:
        self._users = users
        self._anonymous = anonymous

    def get_user(
        self, _: InternalServer | None, username: str | None = None, password: str | None = None, **__: Any
    ) -> OpcUaUser | None:
        """Return who logs in; None when it may not."""
        if username is None:
            return OpcUaUser(UserRole.User) if self._anonymous else None
        try:
            role = Users.read(self._users).check(username, password or "")
        except RgbxError as error:
            _log.error("users cannot be read", error=str(error))
            return None
        if role is None:
            _log.warning("login refused", user=username)
            return None
        return OpcUaUser(UserRole.User, username, role)


class GuardedSession(InternalSession):
    """A client's session."""

    iserver: "GuardedServer"
    _certificate: bytes | None = None

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        """Begin a session; a certificate that is shown has been checked by the library when this returns."""
        self._certificate = params.ClientCertificate or None
        return await super().create_session(params, sockname)

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Let a client in.

        Raises:
            ServiceError: it encrypts with another certificate than the one that was checked, or without any where that
                is not allowed or a password would be seen.
        """
        if peer_certificate:
            if peer_certificate != self._certificate:
                raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        elif not self.iserver.unencrypted:
            raise ServiceError(ua.StatusCodes.BadSecurityModeInsufficient)
        elif isinstance(params.UserIdentityToken, ua.UserNameIdentityToken):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return super().activate_session(params, peer_certificate)

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        """Call methods; they learn who does from :data:`caller`."""
        assert isinstance(self.user, OpcUaUser)
        caller.set(self.user)
        return await super().call(params)

    async def _refuse(self, *_: Any, **__: Any) -> Any:
        raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    # All that a client may change has a method.
    write = add_nodes = delete_nodes = add_references = delete_references = history_update = _refuse
    # Another client's subscription cannot be told from one of a session that was lost.
    transfer_subscriptions = _refuse

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> list[Any]:
        """Watch nodes, by a subscription of one's own."""
        self._check_owns(params.SubscriptionId)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(self, params: ua.ModifyMonitoredItemsParameters) -> list[Any]:
        """Watch nodes otherwise, by a subscription of one's own."""
        self._check_owns(params.SubscriptionId)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        """Watch nodes no longer, by a subscription of one's own."""
        self._check_owns(params.SubscriptionId)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        """Watch nodes or not, by a subscription of one's own."""
        self._check_owns(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        """Be told or not, by subscriptions of one's own."""
        self._check_owns(*params.SubscriptionIds)
        return await super().set_publishing_mode(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        """Delete subscriptions of one's own."""
        self._check_owns(*ids)
        return await super().delete_subscriptions(ids)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """Be told again what a subscription of one's own has told."""
        self._check_owns(params.SubscriptionId)
        return super().republish(params)

    def _check_owns(self, *ids: int) -> None:
        subscriptions = self.subscription_service.subscriptions
        for number in ids:
            if number in subscriptions and subscriptions[number].session_id != self.session_id:
                raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)


class GuardedServer(InternalServer):
    """The server's inside, with sessions that are guarded.

    Args:
        settings: of the server.
        users: file of the line's users.
        trusted: whose certificates are accepted.
    """

    def __init__(self, settings: OpcUaServer, users: Path, trusted: TrustList) -> None:
        super().__init__(user_manager=People(users, settings.anonymous))  # type: ignore[arg-type]
        self.unencrypted = settings.unencrypted
        """Whether sessions without encryption may be more than begun, which is how clients ask for the endpoints."""
        self.allow_remote_admin = False
        self.certificate_validator = trusted.check

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        """Return the session of a client that connects."""
        return GuardedSession(self, self.aspace, self.subscription_service, name, user or OpcUaUser(), external)

    def lookup_external_session(self, _: ua.NodeId) -> InternalSession | None:
        """Find no session for a new connection: the library's tokens are numbers that count up."""
        return None

    def register_server(self, *_: Any) -> None:
        """Refuse to be a directory of other servers.

        Raises:
            ServiceError: always.
        """
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
