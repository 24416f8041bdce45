"""Bases of everything typed that crosses the wire."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class ClientModel(BaseModel):
    """Something a client sends: strict types, and a misspelt field is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ServerModel(BaseModel):
    """Something the server sends: fields that are None stay away unless null says something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keeps_null: ClassVar[frozenset[str]] = frozenset()
    """Fields that are written as null."""

    @model_serializer(mode="wrap")
    def _without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            name: value
            for name, value in serialize(self).items()
            if value is not None or name in self.keeps_null
        }
