"""Speak the Model Context Protocol with its official SDK. Only a server that is asked for `/mcp` imports this module.

Each request stands for itself (stateless): there is no session to keep, to limit or to steal, and each request is
authenticated like any other.
"""

import logging
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from server.http.request_facts import bounded, facts_of
from server.http.writing import encode
from server.mcp.tools import INSTRUCTIONS, AssistantTools, UnknownTool

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
# The SDK logs each request, as the access log does.
logging.getLogger("mcp").setLevel(logging.WARNING)

Context = ServerRequestContext[Any, Any]


def manager(tools: AssistantTools, name: str, most_bytes: int) -> StreamableHTTPSessionManager:
    """Return the part of the SDK that answers requests. It must run while it answers."""
    described = ListToolsResult(
        tools=[
            Tool(name=one.name, description=one.description, input_schema=one.arguments, annotations=_READS)
            for one in tools.descriptions()
        ]
    )

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return described

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        assert context.request is not None
        scope = context.request.scope
        facts = facts_of(scope)
        facts.line["operation"] = bounded(params.name)
        try:
            answer = await tools.call(params.name, params.arguments or {}, scope["caller"])
        except UnknownTool:
            raise MCPError(INVALID_PARAMS, "There is no tool of this name: tools/list has all.") from None
        if "errors" in answer.content:
            facts.line["graphql_errors"] = len(answer.content["errors"])
            facts.note_errors(answer.content["errors"])
        return CallToolResult(
            content=[TextContent(type="text", text=encode(answer.content).decode())],
            structured_content=answer.content,
            is_error=answer.failed,
            meta=answer.about or None,  # type: ignore[call-arg]  # by its name in Python
        )

    server: Server[Any] = Server(name, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)
    return StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=most_bytes)
