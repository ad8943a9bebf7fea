"""One frozen struct per Realtime event, GA shape (WIRE-FORMATS section 2). Rules of this file:

- The class name is the wire name in CamelCase (`error` is `ErrorReported`); `tag` is the wire name itself.
- Audio is `bytes`: msgspec writes and reads the base64. Times are milliseconds of audio, as on the wire.
- Client events leave out what is None; server events write every field, as OpenAI does.
- An event a server invents later arrives as `Unknown`.
"""

from __future__ import annotations

import msgspec

from callactors.realtime.items import ErrorDetail, Item, Part, RateLimit, Response, ResponseSettings, Session, Usage


class FromClient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=""):
    """`event_id` comes back in an error about this event."""

    event_id: str | None = None


class FromServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=""):
    """`event_id` is the server's own; the encoder may fill it in."""

    event_id: str = ""


class OfItem(FromServer, frozen=True, kw_only=True, tag=""):
    """Something about one content part of one item."""

    item_id: str
    content_index: int = 0


class OfResponse(FromServer, frozen=True, kw_only=True, tag=""):
    """Something about one output item of one response."""

    response_id: str
    output_index: int = 0


class OfOutput(OfResponse, frozen=True, kw_only=True, tag=""):
    """Something about one output item, named by its id."""

    item_id: str


class OfPart(OfOutput, frozen=True, kw_only=True, tag=""):
    """Something about one content part of one output item."""

    content_index: int = 0


# -- client events --


class SessionUpdate(FromClient, frozen=True, kw_only=True, tag="session.update"):
    session: Session


class InputAudioBufferAppend(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """At most 15 MiB; never acknowledged."""

    audio: bytes


class InputAudioBufferCommit(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """An error on an empty buffer; never sent with server VAD."""


class InputAudioBufferClear(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    pass


class ConversationItemCreate(FromClient, frozen=True, kw_only=True, tag="conversation.item.create"):
    item: Item
    previous_item_id: str | None = None


class ConversationItemRetrieve(FromClient, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    item_id: str


class ConversationItemTruncate(FromClient, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Only assistant message items; never past the audio received."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(FromClient, frozen=True, kw_only=True, tag="conversation.item.delete"):
    item_id: str


class ResponseCreate(FromClient, frozen=True, kw_only=True, tag="response.create"):
    response: ResponseSettings | None = None


class ResponseCancel(FromClient, frozen=True, kw_only=True, tag="response.cancel"):
    response_id: str | None = None


class OutputAudioBufferClear(FromClient, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """WebRTC and SIP only."""


# -- server events: session, conversation, input --


class ErrorReported(FromServer, frozen=True, kw_only=True, tag="error"):
    """Most leave the session open (section 2.6)."""

    error: ErrorDetail


class SessionCreated(FromServer, frozen=True, kw_only=True, tag="session.created"):
    session: Session


class SessionUpdated(FromServer, frozen=True, kw_only=True, tag="session.updated"):
    """Audio may flow from here on."""

    session: Session


class ConversationCreated(FromServer, frozen=True, kw_only=True, tag="conversation.created"):
    """A beta relic."""


class ConversationItemAdded(FromServer, frozen=True, kw_only=True, tag="conversation.item.added"):
    item: Item
    previous_item_id: str | None = None


class ConversationItemDone(FromServer, frozen=True, kw_only=True, tag="conversation.item.done"):
    item: Item
    previous_item_id: str | None = None


class ConversationItemCreated(FromServer, frozen=True, kw_only=True, tag="conversation.item.created"):
    """A beta relic: .added and .done in one."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemRetrieved(FromServer, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    item: Item


class ConversationItemTruncated(OfItem, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    audio_end_ms: int


class ConversationItemDeleted(FromServer, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    item_id: str


class ConversationItemInputAudioTranscriptionDelta(
    OfItem, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    delta: str = ""


class ConversationItemInputAudioTranscriptionSegment(
    OfItem, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.segment"
):
    id: str = ""
    text: str = ""
    speaker: str = ""
    start: float = 0.0
    end: float = 0.0


class ConversationItemInputAudioTranscriptionCompleted(
    OfItem, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """May come long after the response it caused."""

    transcript: str
    usage: Usage | None = None


class ConversationItemInputAudioTranscriptionFailed(
    OfItem, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    error: ErrorDetail


class InputAudioBufferCommitted(FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    item_id: str
    previous_item_id: str | None = None


class InputAudioBufferCleared(FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    pass


class InputAudioBufferSpeechStarted(FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """Offsets count audio written to the buffer, not wall clock."""

    item_id: str
    audio_start_ms: int


class InputAudioBufferSpeechStopped(FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str
    audio_end_ms: int


class InputAudioBufferTimeoutTriggered(
    FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    item_id: str
    audio_start_ms: int = 0
    audio_end_ms: int = 0


class InputAudioBufferDtmfEventReceived(
    FromServer, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"
):
    """SIP only."""

    event: str
    received_at: int = 0


# -- server events: a response, in order --


class ResponseCreated(FromServer, frozen=True, kw_only=True, tag="response.created"):
    response: Response


class ResponseOutputItemAdded(OfResponse, frozen=True, kw_only=True, tag="response.output_item.added"):
    item: Item


class ResponseContentPartAdded(OfPart, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: Part


class ResponseOutputTextDelta(OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str


class ResponseOutputTextDone(OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str


class ResponseOutputAudioTranscriptDelta(
    OfPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    delta: str


class ResponseOutputAudioTranscriptDone(OfPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"):
    transcript: str


class ResponseOutputAudioDelta(OfPart, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    """Comes faster than it sounds."""

    delta: bytes


class ResponseOutputAudioDone(OfPart, frozen=True, kw_only=True, tag="response.output_audio.done"):
    pass


class ResponseFunctionCallArgumentsDelta(
    OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    call_id: str = ""
    delta: str


class ResponseFunctionCallArgumentsDone(
    OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """Says again what output_item.done says: act on that one."""

    call_id: str = ""
    name: str = ""
    arguments: str


class ResponseContentPartDone(OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: Part


class ResponseOutputItemDone(OfResponse, frozen=True, kw_only=True, tag="response.output_item.done"):
    item: Item


class ResponseDone(FromServer, frozen=True, kw_only=True, tag="response.done"):
    """Failed turns (rate limits, server errors) are told here, not as `error`."""

    response: Response


class RateLimitsUpdated(FromServer, frozen=True, kw_only=True, tag="rate_limits.updated"):
    rate_limits: tuple[RateLimit, ...] = ()


# -- server events: of other transports and of remote tools; told, never acted on --


class OutputAudioBufferStarted(FromServer, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    response_id: str = ""


class OutputAudioBufferStopped(FromServer, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    response_id: str = ""


class OutputAudioBufferCleared(FromServer, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    response_id: str = ""


class ResponseMcpCallArgumentsDelta(OfOutput, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"):
    delta: str = ""


class ResponseMcpCallArgumentsDone(OfOutput, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    arguments: str = ""


class ResponseMcpCallInProgress(FromServer, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    item_id: str = ""
    output_index: int = 0


class ResponseMcpCallCompleted(FromServer, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    item_id: str = ""
    output_index: int = 0


class ResponseMcpCallFailed(FromServer, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    item_id: str = ""
    output_index: int = 0


class McpListToolsInProgress(FromServer, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    item_id: str = ""


class McpListToolsCompleted(FromServer, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    item_id: str = ""


class McpListToolsFailed(FromServer, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    item_id: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """An event of a type we do not know: counted and ignored. Never encoded."""

    type: str


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
    | OutputAudioBufferClear
)
ServerEvent = (
    ErrorReported
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionSegment
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | ResponseCreated
    | ResponseOutputItemAdded
    | ResponseContentPartAdded
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseContentPartDone
    | ResponseOutputItemDone
    | ResponseDone
    | RateLimitsUpdated
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | Unknown
)
