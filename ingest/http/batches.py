"""The calls of an edge agent: hand in one sealed batch; ask how far its chains are settled.

The way behind them is the broker's: the same admission, the same transaction, the same signed acknowledgement. Only
nobody vouches here for the sender, so what no signature proves is refused by status and leaves nothing behind.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ingest.admission import Arrival
from ingest.http.door import Door
from ingest.http.problem import ProblemError
from ingest.intake import Answer, Asked, Parcel
from verification import sync
from verification.batch import MAX_BATCH_BYTES

ACK_MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, section 2
ANSWER_MEDIA_TYPE = "application/cbor"


def router(door: Door) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/ingest/v1")

    @routes.post("/batches")
    async def take_batch(request: Request) -> Response:
        """One sealed batch; the signed acknowledgement after its commit. It names the batch if it was refused."""
        body = await door.read(request, MAX_BATCH_BYTES)

        def parcel(answer: Answer) -> Parcel:
            arrival = Arrival.of(None, body)
            if arrival.error is not None:
                raise arrival.error
            return Parcel(arrival, answer)

        reply = await door.through(parcel)
        if not reply.acks:
            raise ProblemError(reply.code, reply.detail)
        return Response(reply.acks[0], media_type=ACK_MEDIA_TYPE)

    @routes.post("/sync")
    async def tell_settled(request: Request) -> Response:
        """A signed question (`verification.sync`); one signed acknowledgement for each epoch that it names."""
        body = await door.read(request, sync.MAX_QUESTION_BYTES)

        def asked(answer: Answer) -> Asked:
            question = sync.open_question(body)
            return Asked(question.device, question.epochs, question, answer)

        reply = await door.through(asked)
        if not reply.acks and reply.detail:
            raise ProblemError(reply.code, reply.detail)
        return Response(sync.pack_answer(reply.acks), media_type=ANSWER_MEDIA_TYPE)

    return routes
