"""A Synapse module that asks Aceso before something exists on this homeserver (docs/synapse-module.md)."""

from .mend import KeepHonestEvents
from .module import AcesoModule

__all__ = ["AcesoModule", "KeepHonestEvents"]
