"""The types of OPC 40100-1 Machine Vision, from the nodeset that the OPC Foundation publishes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node

from rgbx.errors import InputError, damage_refused
from rgbx_line.contract import PartResult, ReasonCode
from rgbx_line.gateway.opcua.ids import node_id
from rgbx_line.log import Entry

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
_REMEDY = "set opcua.nodeset to Opc.Ua.MachineVision.NodeSet2.xml as the OPC Foundation publishes it"


class VisionType(IntEnum):
    """Numbers of types in the nodeset."""

    VISION_SYSTEM = 1003
    RECIPE_MANAGEMENT = 1004
    CONFIGURATION_MANAGEMENT = 1006
    RESULT_MANAGEMENT = 1007
    JOB_STARTED_EVENT = 1013
    STATE_MACHINE = 1017
    STATE_CHANGED_EVENT = 1018
    ERROR_EVENT = 1019
    ERROR_RESOLVED_EVENT = 1020
    AUTOMATIC_MODE = 1021
    RECIPE_PREPARED_EVENT = 1022
    READY_EVENT = 1023
    RESULT_READY_EVENT = 1024
    RECIPE_ID_EXTERNAL = 3002
    CONFIGURATION_ID = 3008
    RECIPE_ID_INTERNAL = 3013
    BINARY_ID = 3019
    CONFIGURATION = 3007
    JOB_ID = 3016
    MEAS_ID = 3015
    PART_ID = 3004
    PROCESSING_TIMES = 3005
    RESULT = 3006
    RESULT_ID = 3021


class ResultState(IntEnum):
    """What became of a result, OPC 40100-1, 12.19."""

    UNDEFINED = 0
    COMPLETED = 1
    ABORTED = 3
    FAILED = 4


DONE, REFUSED = 0, -1
"""What methods return for ``Error``; below 0 is each application's own."""
NO_HANDLE = 0
"""Nothing is kept for a client that asks for results, so it has nothing to release."""
_STATES = {
    ReasonCode.BAD_IMAGE: ResultState.FAILED,
    ReasonCode.LATE: ResultState.FAILED,
    ReasonCode.INTERRUPTED: ResultState.ABORTED,
}
"""Of results that are put aside for a reason; all others were carried out correctly."""


def check_nodeset(path: Path) -> None:
    """Check that there is a nodeset, before a server is built for it, which takes seconds.

    Raises:
        InputError: there is none.
    """
    if not path.is_file():
        raise InputError(path, "is missing", _REMEDY)


async def load_nodeset(server: Server, path: Path) -> int:
    """Add the types to a server; return the number of their namespace.

    The published file requires OPC UA's own types alone, no other nodeset.

    Raises:
        InputError: the file is damaged, or another nodeset.
    """
    with damage_refused(path):
        await server.import_xml(str(path))
    if MACHINE_VISION not in await server.get_namespace_array():
        raise InputError(path, "is not the nodeset of OPC 40100-1 Machine Vision", _REMEDY)
    index = await server.get_namespace_index(MACHINE_VISION)
    base = server.get_node(node_id(VisionType.BINARY_ID, index))
    definition = await base.read_data_type_definition()
    assert isinstance(definition, ua.StructureDefinition)
    for number in (VisionType.RECIPE_ID_EXTERNAL, VisionType.RECIPE_ID_INTERNAL, VisionType.CONFIGURATION_ID):
        await _complete(server.get_node(node_id(number, index)), definition, base.nodeid)
    return index


async def _complete(node: Node, base: ua.StructureDefinition, base_id: ua.NodeId) -> None:
    """Define a type that adds nothing to its base: the nodeset leaves its definition empty, and neither the library nor
    clients then know how it is encoded."""
    encodings = await node.get_references(ua.ObjectIds.HasEncoding)
    encoding = next(one.NodeId for one in encodings if one.BrowseName.Name == "Default Binary")
    definition = ua.StructureDefinition(encoding, base_id, base.StructureType, base.Fields)
    value = ua.DataValue(ua.Variant(definition, ua.VariantType.ExtensionObject))
    await node.write_attribute(ua.AttributeIds.DataTypeDefinition, value)
    name = (await node.read_browse_name()).Name
    structure: type = dataclass(type(name, (ua.get_type(base_id),), {}))
    ua.extension_objects_by_datatype[node.nodeid] = structure
    ua.datatype_by_extension_object[structure] = node.nodeid
    ua.extension_objects_by_typeid[encoding] = structure
    ua.typeid_by_extension_objects[structure] = encoding


@dataclass(frozen=True)
class VisionJob:
    """What a client has started."""

    id: str
    seq: int | None
    """Of the one part that it is about; None of a continuous one, which is about all that come."""
    meas_id: Any = None
    """As the client gave it."""


def identifier(structure: Any) -> str:
    """Return the ``Id`` of a structure that identifies something; empty where there is none."""
    return (structure.Id or "") if structure is not None else ""


class VisionValues:
    """Makes the structures of the nodeset.

    Args:
        index: number of its namespace.
        configuration: id of the line's settings, which are its configuration: a hash.
    """

    def __init__(self, index: int, configuration: str) -> None:
        self._index = index
        self._configuration = configuration
        self._since = datetime.now(UTC)

    def make(self, kind: VisionType, **fields: Any) -> Any:
        """Return a structure."""
        return ua.get_type(node_id(kind, self._index))(**fields)

    def recipe(self, model_number: int, digest: str | None = None) -> Any:
        """Return the id of a model, by its number in the line's store and, where it is known, its SHA-256."""
        hashed = {"Hash": bytes.fromhex(digest), "HashAlgorithm": "SHA-256"} if digest else {}
        return self.make(VisionType.RECIPE_ID_INTERNAL, Id=str(model_number), **hashed)

    def configuration_id(self) -> Any:
        """Return the id of the line's settings."""
        return self.make(VisionType.CONFIGURATION_ID, Id=self._configuration)

    def configuration(self) -> Any:
        """Return what there is to say of the line's settings."""
        return self.make(
            VisionType.CONFIGURATION,
            HasTransferableDataOnFile=False,
            InternalId=self.configuration_id(),
            LastModified=self._since,
        )

    def job_id(self, text: str) -> Any:
        """Return the id of a job."""
        return self.make(VisionType.JOB_ID, Id=text)

    def result(self, entry: Entry, result: PartResult, job: VisionJob | None) -> dict[str, Any]:
        """Return the fields of a result, in the order of ``ResultDataType``.

        Its id is its number in the line's log, so that it is found there; where no client started a job, each part is
        one of its own.
        """
        fields: dict[str, Any] = {
            "ResultId": self.make(VisionType.RESULT_ID, Id=str(entry.number)),
            "IsPartial": False,
            "IsSimulated": False,
            "ResultState": int(_STATES.get(result.reason_code, ResultState.COMPLETED)),
            "MeasId": job.meas_id if job else None,
            "PartId": self.make(VisionType.PART_ID, Id=result.part_id),
            "InternalRecipeId": self.recipe(result.model_number),
            "InternalConfigurationId": self.configuration_id(),
            "JobId": self.job_id(job.id if job else str(result.seq)),
            "CreationTime": entry.time,
            "ProcessingTimes": None,
            "ResultContent": [ua.Variant(json.dumps(entry.content, ensure_ascii=False), ua.VariantType.String)],
        }
        began = result.triggered or result.first_image
        if began is not None:
            processing = result.latency_ms
            fields["ProcessingTimes"] = self.make(
                VisionType.PROCESSING_TIMES, StartTime=began, EndTime=entry.time, ProcessingDuration=processing
            )
        return fields

    def no_result(self) -> dict[str, Any]:
        """Return the fields of a result that is not there."""
        return {
            "ResultId": self.make(VisionType.RESULT_ID, Id=""),
            "ResultState": int(ResultState.UNDEFINED),
            "InternalRecipeId": self.recipe(0),
            "InternalConfigurationId": self.configuration_id(),
            "JobId": self.job_id(""),
            "CreationTime": datetime.fromtimestamp(0, UTC),
        }
