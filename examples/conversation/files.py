"""Attachments built by code: real, valid files of three formats, and two that are no format at all.

The same arguments give the same bytes, on every machine: nothing here reads a clock, and compression is stored, not
deflated, where the result could depend on the version of zlib.
"""

import io
import math
import random
import struct
import sys
import wave
import zlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass

# One turn of a sine, at a third of what 16 bits can say: three of them never overflow.
SINE = [int(10_000 * math.sin(2 * math.pi * i / 4096)) for i in range(4096)]


@dataclass(frozen=True)
class File:
    """A file as an adapter would have downloaded it."""

    filename: str
    mimetype: str
    data: bytes


def png(rng: random.Random, width: int, height: int) -> bytes:
    """A picture in true colour: a gradient with noise, so that no two rows are alike."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    tint = [rng.randrange(256) for _ in range(3)]
    noise = rng.randbytes(width * height)
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # no filter
        for x in range(width):
            n = noise[y * width + x] & 15
            rows += bytes(((tint[0] + x + n) & 255, (tint[1] + y + n) & 255, (tint[2] + x + y + n) & 255))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(rows), 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def wav(rng: random.Random, seconds: float, rate: int = 8000) -> bytes:
    """A chord of three notes, 16 bits, one channel."""
    samples = array("h", bytes(2 * int(seconds * rate)))
    for frequency in (rng.uniform(110, 880) for _ in range(3)):
        step = int(frequency * len(SINE) / rate * 65536)
        for i in range(len(samples)):
            samples[i] += SINE[(i * step >> 16) % len(SINE)]
    if sys.byteorder == "big":
        samples.byteswap()
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def pdf(rng: random.Random, lines: int) -> bytes:
    """A page of text with a table of references whose offsets are right."""
    words = ["invoice", "harbour", "ledger", "seven", "north", "amount", "paid", "storm", "copy", "page"]
    text = "".join(f"({' '.join(rng.choices(words, k=8))}) Tj T*\n" for _ in range(lines))
    content = f"BT /F1 11 Tf 14 TL 60 780 Td\n{text}ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def every_byte(rng: random.Random) -> bytes:
    """All 256 values, several times, in no order."""
    values = list(range(256)) * 4
    rng.shuffle(values)
    return bytes(values)


# What people attach: name, type, and how it is made. Names are as wild as people's are.
KINDS: list[tuple[str, str, Callable[[random.Random], bytes]]] = [
    ("Sonnenuntergang 🌅.png", "image/png", lambda rng: png(rng, 64, 48)),
    ("صورة العائلة.png", "image/png", lambda rng: png(rng, 120, 90)),
    ("voice message.wav", "audio/wav", lambda rng: wav(rng, 1.5)),
    ("録音 3.wav", "audio/wav", lambda rng: wav(rng, 6)),
    ("отчёт 📊.pdf", "application/pdf", lambda rng: pdf(rng, 12)),
    ("e\u0301te\u0301 – devis.pdf", "application/pdf", lambda rng: pdf(rng, 40)),
    ("dump.bin", "application/octet-stream", every_byte),
    ("leer.txt", "text/plain", lambda _: b""),
]


def pick(rng: random.Random) -> File:
    """One of the kinds."""
    name, mimetype, make = rng.choice(KINDS)
    return File(name, mimetype, make(rng))


def megabyte(rng: random.Random) -> File:
    """A recording of a little over 1 MiB."""
    return File("Probe 🎻 (lang).wav", "audio/wav", wav(rng, 33, 16000))
