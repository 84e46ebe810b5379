"""Platforms: the chat networks on one side of the bus."""

from stargazer_core.platform.adapter import PlatformAdapter
from stargazer_core.platform.gateway import AdapterHealth, AdapterState, Gateway, GatewaySettings
from stargazer_core.platform.intake import Intake
from stargazer_core.platform.kinds import AdapterKinds, create
from stargazer_core.platform.messages import (
    Attachment,
    BotIdentity,
    Button,
    File,
    HistoricalMessage,
    IncomingMessage,
    MessageUpdate,
    SendContext,
    TurnEnd,
)
from stargazer_core.platform.proxy import ProxyAdapter

__all__ = [
    "AdapterHealth",
    "AdapterKinds",
    "AdapterState",
    "Attachment",
    "BotIdentity",
    "Button",
    "File",
    "Gateway",
    "GatewaySettings",
    "HistoricalMessage",
    "IncomingMessage",
    "Intake",
    "MessageUpdate",
    "PlatformAdapter",
    "ProxyAdapter",
    "SendContext",
    "TurnEnd",
    "create",
]
