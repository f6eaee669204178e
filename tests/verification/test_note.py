"""Signed notes and checkpoints: the published example reads, and every other spelling is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification.errors import FormatError
from verification.evidence import note

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
CHECKPOINT = note.Checkpoint("log.test/hengkang", 7, bytes(range(32)))
SIGNED = note.sign_checkpoint(CHECKPOINT, KEY)

# The example in the documentation of Go's golang.org/x/mod/sumdb/note, from which C2SP signed-note comes.
PUBLISHED_KEY = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        note.read_checkpoint(note.parse(data))
    return str(caught.value)


def test_the_published_example_verifies() -> None:
    key = Ed25519PublicKey.from_public_bytes(PUBLISHED_KEY)
    assert note.key_hash("PeterNeumann", key).hex() == "c74f20a3"
    assert note.parse(PUBLISHED_NOTE.encode()).signed_by("PeterNeumann", key)


def test_a_checkpoint_reads_back_and_has_the_published_form() -> None:
    parsed = note.parse(SIGNED)
    assert note.read_checkpoint(parsed) == CHECKPOINT
    assert parsed.signed_by("log.test/hengkang", PUBLIC)
    root = base64.b64encode(bytes(range(32))).decode()
    assert SIGNED.decode().startswith(f"log.test/hengkang\n7\n{root}\n\n— log.test/hengkang ")


def test_another_key_or_another_name_has_not_signed() -> None:
    parsed = note.parse(SIGNED)
    assert not parsed.signed_by("log.test/hengkang", OTHER)
    assert not parsed.signed_by("log.test/other", PUBLIC)


def test_further_signatures_do_not_disturb_the_first() -> None:
    cosigned = SIGNED + note.sign(note.parse(SIGNED).text, "witness.test", KEY).split(b"\n\n")[1]
    parsed = note.parse(cosigned)
    assert parsed.signed_by("log.test/hengkang", PUBLIC)
    assert parsed.signed_by("witness.test", PUBLIC)


def test_a_change_of_any_one_byte_leaves_no_valid_signature() -> None:
    for position in range(len(SIGNED)):
        changed = SIGNED[:position] + bytes([SIGNED[position] ^ 1]) + SIGNED[position + 1 :]
        try:
            holds = note.parse(changed).signed_by("log.test/hengkang", PUBLIC)
        except FormatError:
            holds = False
        assert not holds, f"byte {position}"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\n7\n", b"\n07\n", "three lines"),
        (b"\n7\n", b"\n-7\n", "three lines"),
        (b"\n7\n", b"\n7\nextension\n", "three lines"),
        (b"\n7\n", b"\n7\r\n", "not a signed note"),
        (b"log.test/hengkang\n7", b"\n7", "three lines"),
        (b"AAECAw", b"AAEC", "base64"),
        ("— ".encode(), b"- ", "signature line"),
        (b"\n\n", b"\n", "not a signed note"),
        (b"\n", b"\xff\n", "UTF-8"),
    ],
)
def test_a_checkpoint_in_any_other_form_is_refused(old: bytes, new: bytes, why: str) -> None:
    assert why in refused(SIGNED.replace(old, new, 1))


def test_a_note_that_does_not_end_its_last_line_is_refused() -> None:
    assert "not a signed note" in refused(SIGNED[:-1])


def test_base64_has_one_spelling() -> None:
    assert note.decode_base64("QQ==") == b"A"
    for text in ("QR==", "QQ", "Q Q==", "QQ==\n"):
        with pytest.raises(FormatError, match="base64"):
            note.decode_base64(text)


def test_a_root_of_another_length_is_refused_before_signing() -> None:
    with pytest.raises(FormatError, match="31 bytes"):
        note.sign_checkpoint(note.Checkpoint("log.test/x", 1, bytes(31)), KEY)


@pytest.mark.parametrize(("text", "name"), [("no newline", "log.test/x"), ("line\n", "two words"), ("line\n", "a+b")])
def test_text_and_name_that_the_form_cannot_hold_are_refused(text: str, name: str) -> None:
    with pytest.raises(FormatError, match="whole lines"):
        note.sign(text, name, KEY)


def test_size_and_number_of_signatures_are_bounded_on_both_sides_of_the_limit() -> None:
    line = note.sign("x\n", "log.test/x", KEY).split(b"\n\n")[1]
    note.parse(b"x\n\n" + line * note.MAX_SIGNATURES)
    with pytest.raises(FormatError, match="signatures"):
        note.parse(b"x\n\n" + line * (note.MAX_SIGNATURES + 1))
    room = note.MAX_NOTE_BYTES - len(line) - 2
    note.parse(b"x" * (room) + b"\n\n" + line)
    with pytest.raises(FormatError, match="at most"):
        note.parse(b"x" * (room + 1) + b"\n\n" + line)
