"""Which nodes hold numbers: told from their data type at the start, by name, instead of from each value later."""

from __future__ import annotations

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

# Built-in and base types by their id in namespace 0 (Part 6, 5.1.2; Part 5, 12.2).
NUMERIC = {
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    26,
    27,
    28,
    29,
}  # Boolean to Double; Number, Integer, UInteger, Enumeration
NOT_NUMERIC = {
    12: "String",
    13: "DateTime",
    14: "Guid",
    15: "ByteString",
    16: "XmlElement",
    17: "NodeId",
    18: "ExpandedNodeId",
    19: "StatusCode",
    20: "QualifiedName",
    21: "LocalizedText",
    22: "Structure",
    23: "DataValue",
    25: "DiagnosticInfo",
    50: "Decimal",  # a subtype of Number that travels as a structure (Part 6, 5.2.2.8)
}
ANY = 24  # BaseDataType: whatever the server likes
MAX_STEPS = 20  # from a type up to the built-in one that it derives from
_VARIANT_NAMES = {kind.value: kind.name for kind in ua.VariantType}


class DataTypes:
    """Remembers what it has learnt of a server's types, for one session."""

    def __init__(self, session: UaSession) -> None:
        self._session = session
        self._known: dict[ua.NodeId, str] = {}

    async def refusal(self, data_type: object, node_id: ua.NodeId) -> str:
        """The name of the node's type if it holds no numbers; empty if it does, or if only its values can tell."""
        if not isinstance(data_type, ua.NodeId):
            return ""
        if data_type not in self._known:
            self._known[data_type] = await self._judge(data_type)
        judged = self._known[data_type]
        return await self._judge_value(node_id) if judged == "?" else judged

    async def _judge(self, data_type: ua.NodeId) -> str:
        """As `refusal`, but `?` where the type says nothing."""
        current: ua.NodeId | None = data_type
        for _ in range(MAX_STEPS):
            if current is None:
                break
            built_in = current.Identifier
            if current.NamespaceIndex == 0 and isinstance(built_in, int):
                if built_in in NUMERIC:
                    return ""
                if built_in in NOT_NUMERIC:
                    return NOT_NUMERIC[built_in]
                if built_in == ANY:
                    break
            current = await self._supertype(current)
        return "?"

    async def _supertype(self, data_type: ua.NodeId) -> ua.NodeId | None:
        wanted = ua.BrowseDescription(
            NodeId=data_type,
            BrowseDirection=ua.BrowseDirection.Inverse,
            ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HasSubtype)),
            IncludeSubtypes=True,
            NodeClassMask=ua.NodeClass.Unspecified,
            ResultMask=ua.BrowseResultMask.None_,
        )
        (found,) = await self._session.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
        return found.References[0].NodeId if found.References else None

    async def _judge_value(self, node_id: ua.NodeId) -> str:
        """Where the type may be anything, the present value tells."""
        wanted = ua.ReadValueId(NodeId=node_id, AttributeId=AttributeIds.Value)
        (answer,) = await self._session.read(ua.ReadParameters(NodesToRead=[wanted]))
        kind = answer.Value.VariantType if answer.Value is not None and answer.Value.Value is not None else None
        if kind is None or kind.value in NUMERIC:
            return ""
        return NOT_NUMERIC.get(kind.value) or _VARIANT_NAMES.get(kind.value, "unknown")
