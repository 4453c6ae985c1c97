"""The page Audit: who changed what, and whether the log is as it was written."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from rgbx_line.users import Role
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import LineSite

SHOWN_AT_ONCE = 50


def audit_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Audit."""
    router = APIRouter()
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]

    @router.get("/audit")
    def audit(
        person: reader,
        what: Annotated[str, Query(max_length=100)] = "",
        who: Annotated[str, Query(max_length=100)] = "",
        before: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        deeds = site.ledger.deeds()
        kinds = sorted({deed.what for deed in deeds})
        chosen = [
            deed for deed in deeds if what in ("", deed.what) and (not who or who.casefold() in deed.who.casefold())
        ]
        older = chosen if before is None else [deed for deed in chosen if deed.number < before]
        shown = older[:SHOWN_AT_ONCE]
        return site.page(
            person,
            "audit.html",
            "/audit",
            deeds=shown,
            kinds=kinds,
            what=what,
            who=who,
            count=len(chosen),
            newest=before is None,
            more=shown[-1].number if len(older) > len(shown) else None,
            chain=site.ledger.chain(),
        )

    return router
