"""Overviews of an API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cli.errors import StackError
from jobs.overview.overview import Overview
from kinomill.errors import KinomillError

if TYPE_CHECKING:
    from kinomill import Client


@dataclass
class ApiSource:
    """An API, with a key of scope `admin`."""

    client: Client
    name: str

    def read(self) -> Overview:
        """Read one. Raises `StackError`."""
        try:
            return Overview.model_validate(self.client.admin.overview())
        except (KinomillError, ValidationError) as error:
            raise StackError(str(error)) from error

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
