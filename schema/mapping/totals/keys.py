"""Declare the keys of buckets: the parts of the calendar, and values and entities of the rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Self

from strawberry import Info
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from engine.batch_hint import BATCH_HINT, BatchHint
from resolvers.session import Session
from schema.mapping.entity import Entity
from schema.mapping.node import encode

_PART = "key"


class KeyForm(Enum):
    """The forms of a part of a key: a value of the row, its day, its hour, or another entity."""

    VALUE = ""
    DAY = "day"
    HOUR = "hour"
    ENTITY = "entity"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A part of a key: the columns of the rows that it is made of, and its form. `field` names the entity's field."""

    columns: tuple[str, ...]
    form: KeyForm
    field: str = ""

    @property
    def name(self) -> str:
        """Return the name of the column of its values."""
        return f"{','.join(self.columns)} {self.form.value}"

    def read(self, key: Any, info: Info[Session, Any]) -> Any:
        """Return the part of a key, as the graph has it; an awaitable of it for some entities."""
        if self.name not in key.values:
            return None
        value = key.values[self.name]
        if self.form is KeyForm.ENTITY:
            return _entity(key.row, self.field, info)
        if self.form is KeyForm.HOUR and value is not None:
            return info.context.moment(value)
        return value


@dataclass(frozen=True, slots=True)
class IdentityColumn(KeyColumn):
    """The values that identify the entity of another part of the key, as one text; None if the key has no such part."""

    def read(self, key: Any, info: Info[Session, Any]) -> Any:
        """Return the text."""
        values = key.values.get(KeyColumn(self.columns, KeyForm.ENTITY, self.field).name)
        return None if values is None else encode(*values)


class KeyField(StrawberryField):
    """A field of the graph that reads a part of a key."""

    @property
    def is_basic_field(self) -> bool:
        return False

    def get_result(self, source: Any, info: Info[Session, Any] | None, args: list[Any], kwargs: Any) -> Any:
        return self.metadata[_PART].read(source, info)


class BucketKeyObject:
    """The key of a bucket: the values of the requested parts, and the entity of one of its rows."""

    parts: ClassVar[dict[str, KeyColumn]] = {}
    values: Mapping[str, Any]
    row: Entity | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.parts = {
            to_camel_case(name): value.metadata[_PART]
            for name, value in vars(cls).items()
            if isinstance(value, KeyField)
        }

    @classmethod
    def on(cls, values: Mapping[str, Any], row: Entity | None) -> Self:
        """Return the key with these values."""
        key = cls.__new__(cls)
        key.values, key.row = values, row
        return key


def day_key(column: str, description: str) -> Any:
    """Declare the business day of a moment."""
    return _field(KeyColumn((column,), KeyForm.DAY), description)


def hour_key(column: str, description: str) -> Any:
    """Declare the start of the hour of a moment, on the clock of the business."""
    return _field(KeyColumn((column,), KeyForm.HOUR), description)


def value_key(column: str, description: str) -> Any:
    """Declare a value of the row."""
    return _field(KeyColumn((column,), KeyForm.VALUE), description)


def entity_key(field: str, type: Any, description: str, *, columns: tuple[str, ...] = ()) -> Any:
    """Declare an object that a field of the row leads to. `columns` identify it, by default its id."""
    return _field(KeyColumn(columns or (f"{field}.id",), KeyForm.ENTITY, field), description, type | None)


def identity_key(field: str, description: str, *, columns: tuple[str, ...]) -> Any:
    """Declare the text of the values that identify the entity of the part `field`, for another subgraph."""
    return _field(IdentityColumn(columns, KeyForm.VALUE, field), description)


def _entity(row: Entity, field: str, info: Info[Session, Any]) -> Any:
    column = row.columns.get(field)
    return getattr(row, field)(info) if column is None else column.read(row, info)


def _field(part: KeyColumn, description: str, type: Any = None) -> Any:
    return KeyField(
        description=description,
        metadata={_PART: part, BATCH_HINT: BatchHint(read=part.read)},
        type_annotation=StrawberryAnnotation.from_annotation(type),
    )
