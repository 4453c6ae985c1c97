"""The vision system's recipes, which are the line's models, and its configuration, which is the line's settings."""

import asyncio
from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.utils import ServiceError

from rgbx_line.channel import Link
from rgbx_line.gateway.opcua.access import OpcUaUser
from rgbx_line.gateway.opcua.vision_nodes import VisionNodes
from rgbx_line.gateway.opcua.vision_types import DONE, NO_HANDLE, REFUSED, VisionType, VisionValues, identifier
from rgbx_line.settings import LineSettings
from rgbx_line.users import Role

_NOT_PREPARED, _PREPARED = 0, 1


class Recipes:
    """The object ``RecipeManagement``: a model is a recipe by its number, and prepared is the active one.

    They have no external ids, so whoever asks for one finds nothing.
    """

    def __init__(self, settings: LineSettings, link: Link, values: VisionValues) -> None:
        self._settings = settings
        self._link = link
        self._values = values

    async def build(self, nodes: VisionNodes, system: Node) -> None:
        """Add the object."""
        recipes = await nodes.add(system, "RecipeManagement", VisionType.RECIPE_MANAGEMENT)
        await nodes.offer(recipes, "GetRecipeListFiltered", self._list, None)
        await nodes.offer(recipes, "PrepareRecipe", self._prepare, Role.ENGINEER)
        await nodes.offer(recipes, "UnprepareRecipe", self._unprepare, Role.ENGINEER)

    async def _list(
        self, _: OpcUaUser, external: Any, product: Any, prepared: int, most: int, start: int, *__: Any
    ) -> Sequence[Any]:
        models = (await self._link.ask("models"))["models"]
        if identifier(external) or identifier(product):
            models = []
        if prepared in (_NOT_PREPARED, _PREPARED):
            models = [model for model in models if (model["role"] == "active") == (prepared == _PREPARED)]
        page = models[start : start + most] if most else models[start:]
        listed = [self._values.recipe(model["number"], model["sha256"]) for model in page]
        return start + len(page) >= len(models), len(page), NO_HANDLE, listed, DONE

    async def _prepare(self, person: OpcUaUser, external: Any, internal: Any) -> Sequence[Any]:
        models = {str(model["number"]): model for model in (await self._link.ask("models"))["models"]}
        model = models.get(identifier(internal))
        if model is None or identifier(external):
            return self._values.recipe(0), False, REFUSED
        if model["role"] != "active":
            await self._hold_unproven(model["number"], person.name)
            await self._link.ask("activate", number=model["number"], who=person.name)
        recipe = self._values.recipe(model["number"], model["sha256"])
        return recipe, model["role"] == "active" or self._link.state.model_number == model["number"], DONE

    async def _hold_unproven(self, number: int, who: str | None) -> None:
        """Refuse a model that reviews do not prove; else note what they say."""
        # Only here, since the index and statistics are large and most gateways never promote.
        from rgbx_line.review.candidates import PROMOTION_ALLOWED, check_promotion

        found = await asyncio.to_thread(check_promotion, self._settings, number, self._link.state.announced)
        if found is not None:
            await self._link.ask("audit", what=PROMOTION_ALLOWED, who=who, **found.for_the_log())

    async def _unprepare(self, *_: Any) -> Sequence[Any]:
        # A line always has a model; another one takes its place when that is prepared.
        raise ServiceError(ua.StatusCodes.BadNotSupported)


class Configurations:
    """The object ``ConfigurationManagement``: there is one configuration, and it is active."""

    def __init__(self, values: VisionValues) -> None:
        self._values = values

    async def build(self, nodes: VisionNodes, system: Node) -> None:
        """Add the object."""
        configurations = await nodes.add(system, "ConfigurationManagement", VisionType.CONFIGURATION_MANAGEMENT)
        active = await configurations.get_child(f"{nodes.index}:ActiveConfiguration")
        value = ua.DataValue(ua.Variant(self._values.configuration(), ua.VariantType.ExtensionObject))
        await nodes.server.write_attribute_value(active.nodeid, value)
        await nodes.offer(configurations, "GetConfigurationList", self._list, None)
        await nodes.offer(configurations, "GetConfigurationById", self._get, None)
        await nodes.offer(configurations, "ActivateConfiguration", self._activate, Role.ENGINEER)

    async def _list(self, _: OpcUaUser, __: int, start: int, *___: Any) -> Sequence[Any]:
        listed = [self._values.configuration()] if start == 0 else []
        return True, len(listed), NO_HANDLE, listed, DONE

    async def _get(self, _: OpcUaUser, internal: Any, *__: Any) -> Sequence[Any]:
        return NO_HANDLE, self._values.configuration(), self._known(internal)

    async def _activate(self, _: OpcUaUser, internal: Any) -> Sequence[Any]:
        return (self._known(internal),)

    def _known(self, internal: Any) -> int:
        return DONE if identifier(internal) == self._values.configuration_id().Id else REFUSED
