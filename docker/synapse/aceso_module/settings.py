"""What homeserver.yaml says under `modules`, checked when the homeserver starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from synapse.module_api.errors import ConfigError

KEYS = {"url", "token_file", "ca_file", "guardian", "courier"}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Settings:
    url: str
    """Where Aceso listens for this homeserver, without a slash at its end."""
    token: str
    ca_file: str | None
    """PEM file: who signed Aceso's certificate, when it is no public authority."""
    guardian: str
    """Aceso's user that governs rooms: what it does isn't asked about."""
    courier: str


def read_settings(config: object) -> Settings:
    """Raises ConfigError, which ends the start of the homeserver with what to mend."""
    if not isinstance(config, Mapping):
        raise ConfigError("aceso_module: config is missing. Take it from homeserver-aceso.yaml, which `aceso init` made.")
    unknown = sorted(str(key) for key in config if key not in KEYS)
    if unknown:
        raise ConfigError(f"aceso_module: unknown keys: {', '.join(unknown)}. Known: {', '.join(sorted(KEYS))}.")
    url = _text(config, "url").rstrip("/")
    parts = urlsplit(url)
    # The token, and what people send before it is refused, would be read on the way.
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK) and parts.scheme != "http+inside":
        raise ConfigError("aceso_module: url must begin with https://, or with http:// on this machine. Inside a network of containers that nobody else is in, write http+inside://.")
    guardian, courier = _text(config, "guardian"), _text(config, "courier")
    for name, user in (("guardian", guardian), ("courier", courier)):
        if not user.startswith("@") or ":" not in user:
            raise ConfigError(f"aceso_module: {name} must be a Matrix id such as @aceso_{name}:mercy.example.")
    ca_file = config.get("ca_file")
    return Settings(
        url=url.replace("http+inside://", "http://", 1),
        token=_token(_text(config, "token_file")),
        ca_file=None if ca_file is None else str(ca_file),
        guardian=guardian,
        courier=courier,
    )


def _text(config: Mapping[object, object], key: str) -> str:
    value = config.get(key)
    if not isinstance(value, str) or value == "":
        raise ConfigError(f"aceso_module: {key} is missing. Take it from homeserver-aceso.yaml, which `aceso init` made.")
    return value


def _token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"aceso_module: token_file: {path} can't be read ({error.strerror}). Copy Aceso's module-token there, for the homeserver's user alone.") from error
    if len(token) < 32:
        raise ConfigError(f"aceso_module: token_file: {path} holds no token. Copy Aceso's module-token there.")
    return token
