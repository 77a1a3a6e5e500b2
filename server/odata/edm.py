"""Describe tables for OData: the types of their properties, the service document and the metadata.

The key of an entity is its place: its day and its number in this day, `2026-03-12.0000041`. Columns of a query need not
be unique, but places are. After the end of the day a place stays the same for every window and filter.
"""

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

from server.tables.table import PRECISION, Table, TableColumn, ValueKind

NAMESPACE = "GamehubGraph"
CONTAINER = "Tables"

# The type and its facets. An enum is a text, so that clients without enums can read it. The description of the table
# lists its values.
PRIMITIVES: dict[str, tuple[str, dict[str, object]]] = {
    "string": ("Edm.String", {}),
    "enum": ("Edm.String", {}),
    "int64": ("Edm.Int64", {}),
    "float64": ("Edm.Double", {}),
    "bool": ("Edm.Boolean", {}),
    "timestamp": ("Edm.DateTimeOffset", {"Precision": 6}),
    "date": ("Edm.Date", {}),
}
_CORE = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml"
_CAPABILITIES = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1.xml"
_AGGREGATION = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Aggregation.V1.xml"
# The transformations of `$apply`, and the methods of `aggregate` for a column. Distinct values of each can be counted.
TRANSFORMATIONS = ("filter", "groupby", "aggregate", "concat", "identity", "orderby", "skip", "top")
METHODS = {
    **dict.fromkeys(("decimal", "int64"), ("sum", "min", "max", "countdistinct")),
    **dict.fromkeys(("float64", "timestamp", "date", "string"), ("min", "max", "countdistinct")),
    **dict.fromkeys(("bool", "enum"), ("countdistinct",)),
}
_KEY_MEANS = "The place of the row: the day it was read for, and its number there."


def key_of(table: Table) -> str:
    """Return the name of the key property: `rowKey`, unless a column has this name."""
    names = {column.name.lower() for column in table.columns}
    key = "rowKey"
    while key.lower() in names:
        key += "_"
    return key


def kinds_of(table: Table) -> dict[str, ValueKind]:
    """Return the kinds of the properties of an entity: the key and the columns."""
    return {key_of(table): ValueKind("string"), **{column.name: column.kind for column in table.columns}}


def time_of(table: Table) -> TableColumn | None:
    """Return the time column of a table: the field by which `during` selects rows."""
    return table.time


def type_of(kind: ValueKind) -> tuple[str, dict[str, object]]:
    """Return the type of a column or a parameter, and its facets."""
    if kind.of is not None:
        inner, facets = type_of(kind.of)
        return f"Collection({inner})", facets
    if kind.name == "decimal":
        return "Edm.Decimal", {"Precision": PRECISION, "Scale": kind.scale}
    return PRIMITIVES[kind.name]


def service(root: str, tables: Iterable[Table]) -> dict[str, Any]:
    """Return the service document: the list of entity sets."""
    return {
        "@odata.context": f"{root}/$metadata",
        "value": [{"name": table.name, "kind": "EntitySet", "url": table.name} for table in tables],
    }


def metadata(tables: Iterable[Table]) -> str:
    """Return `$metadata` as EDMX: an entity type and an entity set for each table."""
    types, sets = [], []
    for table in tables:
        types.append(_entity_type(table))
        sets.append(
            f'<EntitySet Name="{table.name}" EntityType="{NAMESPACE}.{table.name}">'
            f"{_described(table.description)}{_options(table)}{_apply(table)}</EntitySet>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">\n'
        f'<edmx:Reference Uri="{_CORE}"><edmx:Include Namespace="Org.OData.Core.V1"/></edmx:Reference>\n'
        f'<edmx:Reference Uri="{_CAPABILITIES}"><edmx:Include Namespace="Org.OData.Capabilities.V1"/>'
        "</edmx:Reference>\n"
        f'<edmx:Reference Uri="{_AGGREGATION}"><edmx:Include Namespace="Org.OData.Aggregation.V1"/></edmx:Reference>\n'
        f'<edmx:DataServices>\n<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">\n'
        + "\n".join(types)
        + f'\n<EntityContainer Name="{CONTAINER}">\n'
        + "\n".join(sets)
        + "\n</EntityContainer>\n</Schema>\n</edmx:DataServices>\n</edmx:Edmx>\n"
    )


def _entity_type(table: Table) -> str:
    key = key_of(table)
    properties = [f'<Property Name="{key}" Type="Edm.String" Nullable="false">{_described(_KEY_MEANS)}</Property>']
    for column in table.columns:
        name, facets = type_of(column.kind)
        facts = {"Name": column.name, "Type": name, **facets, "Nullable": str(column.nullable).lower()}
        attributes = " ".join(f"{attribute}={quoteattr(str(value))}" for attribute, value in facts.items())
        properties.append(f"<Property {attributes}>{_described(_meaning(column))}</Property>")
    inside = "\n".join(properties)
    return f'<EntityType Name="{table.name}">\n<Key><PropertyRef Name="{key}"/></Key>\n{inside}\n</EntityType>'


def _meaning(column: TableColumn) -> str:
    values = f"One of {', '.join(column.kind.values)}." if column.kind.values else ""
    return " ".join(part for part in (column.description, values) if part)


def _described(text: str) -> str:
    return f'<Annotation Term="Org.OData.Core.V1.Description" String={quoteattr(text)}/>' if text else ""


def _options(table: Table) -> str:
    """Return the parameters of the table, which a client adds as custom query options."""
    named = [(variable.name, variable.required, variable.graphql) for variable in table.variables]
    if table.timed:
        named += [("since", False, "a date or a date-time, included"), ("until", False, "the same, not included")]
        named += [("period", False, "a named period such as last_month")]
    if not named:
        return ""
    records = "".join(
        f'<Record><PropertyValue Property="Name" String={quoteattr(name)}/>'
        f'<PropertyValue Property="Description" String={quoteattr(means)}/>'
        f'<PropertyValue Property="Required" Bool="{str(required).lower()}"/></Record>'
        for name, required, means in named
    )
    return (
        '<Annotation Term="Org.OData.Capabilities.V1.ReadRestrictions"><Record>'
        f'<PropertyValue Property="CustomQueryOptions"><Collection>{records}</Collection></PropertyValue>'
        "</Record></Annotation>"
    )


def _apply(table: Table) -> str:
    """Return what `$apply` can do with the table."""
    columns = [(column.name, METHODS[column.kind.name]) for column in table.columns if column.kind.of is None]
    steps = "".join(f"<String>{one}</String>" for one in TRANSFORMATIONS)
    keys = "".join(f"<PropertyPath>{name}</PropertyPath>" for name, _ in columns)
    figures = "".join(
        f'<Record><PropertyValue Property="Property" PropertyPath="{name}"/>'
        '<PropertyValue Property="SupportedAggregationMethods"><Collection>'
        + "".join(f"<String>{one}</String>" for one in known)
        + "</Collection></PropertyValue></Record>"
        for name, known in columns
    )
    return (
        '<Annotation Term="Org.OData.Aggregation.V1.ApplySupported"><Record>'
        f'<PropertyValue Property="Transformations"><Collection>{steps}</Collection></PropertyValue>'
        '<PropertyValue Property="Rollup" EnumMember="Org.OData.Aggregation.V1.RollupType/None"/>'
        f'<PropertyValue Property="GroupableProperties"><Collection>{keys}</Collection></PropertyValue>'
        f'<PropertyValue Property="AggregatableProperties"><Collection>{figures}</Collection></PropertyValue>'
        "</Record></Annotation>"
    )
