#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to tests/fuzz/corpus: small inputs, by hand, that reach what chance would find late."""
import gzip
import pathlib
import struct
import zlib

CORPUS = pathlib.Path(__file__).parent / "corpus"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data)


# ---- wire: one message of each type, from the lists in docs/protocol.md ----


def pack(value):
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        return b"\xcf" + struct.pack(">Q", value) if value >= 0 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        return bytes([0xA0 | len(value)]) + value.encode()
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    return bytes([0x90 | len(value)]) + b"".join(pack(item) for item in value)


E64 = 0x0123456789ABCDEF
SEGMENT = ["/tmp/a", 1000, -5, 0, 1000, 0]
SPEC = [1, 0, 0, 1, b"payload", [SEGMENT, ["b.gz", 7, 0, 0, 7, 1]]]
MESSAGES = [
    [1, 1, "0.1.0", "host", 77, 4, "ipc://x"], [1, 7, "x"], [2, E64, 3, 1 << 20, [[1, 0, 100, 5]]], [3, E64, 3, [[1, 0], [2, 1]]],
    [4, E64, 3, 1, 0, 3, 1, "bad record"], [5, E64, 3, 70000], [6, E64, 3, 1, [[1, 0]]], [7, E64, 3, "drained"],
    [8, E64, 3, 2, [[1, 0]], [[2, 0]]], [16, 1, "0.1.0", E64, 9, 3, "ipc://l", "ipc://s", 1000, 10000], [17, 1, "0.1.0", "no"],
    [17, 9, "9"], [18, E64, "sum", [["key", "1"]], b"k", 1, 262144, 1 << 26, 1 << 26, 10000, 0, 0], [19, E64, 1, 10],
    [20, E64, 70000], [21, E64, 5], [22, E64, 5], [23, E64], [24, 0, "done"], [25, E64], [26, E64], [32, E64, 1, [SPEC]],
    [48, E64, 3, 5, 0], [49, E64, 3, 5, 1, [[1, 0, 100, 10, 1, 0]]],
    [28, 7, "tcp://*:5556", ""], [64, 1, "0.1.0", 7, "watch", '{"id":1,"rows":5}'],
    [80, 1, "0.1.0", 7, 0, '{"more":false}', b"a\t1\n"],
]  # fmt: skip


def wire():
    for number, message in enumerate(MESSAGES):
        put("wire", f"{message[0]}-{number}", pack(message))
    put("wire", "array32", b"\xdd\xff\xff\xff\xff")
    put("wire", "bin32", b"\x92\x12\xc6\xff\xff\xff\xff")
    put("wire", "deep", b"\x91" * 6 + b"\x01")


# ---- runs ----


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def block(rows):
    payload = b"".join(varint(len(key)) + key + b"".join(map(varint, cells)) for key, *cells in rows)
    return struct.pack("<II", len(payload), len(rows)) + payload


def runs():
    rows = [(b"", 1), (b"a", 300), (b"a\0", 2**64 - 1), (b"ab", 0), (b"abcdefghi", 5), (b"abcdefghj", 6), (b"\xff" * 9, 7)]
    put("runs", "one-block", b"\0\1a" + block(rows))
    put("runs", "blocks", b"\0\2ab" + block(rows[:2]) + block(rows[2:4]) + block(rows[4:]))
    put("runs", "two-cells", b"\1\1b" + block([(b"a", 1, 2), (b"b", 3, 4)]) + block([(b"c", 1, 2**63)]))
    put("runs", "disorder", b"\0\0" + block(rows[2:4]) + block(rows[:2]))
    put("runs", "huge", b"\0\0" + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + b"abc")
    put("runs", "empty", b"\0\0")


# ---- splits: block size, longest line, chunk, cuts, text ----


def splits():
    text = b"\xef\xbb\xbfone\r\ntwo\n\n\r\n" + b"long " * 9 + b"\rx\r\nlast\r"
    for number, (size, longest, chunk) in enumerate([(16, 5000, 1), (17, 8, 5), (4096, 20, 200)]):
        put("splits", f"mixed-{number}", struct.pack("<HHBB", size, longest, chunk, 4) + b"\1\3\7\x0b" + text)
    put("splits", "utf16", struct.pack("<HHBB", 16, 9, 9, 0) + b"\xff\xfea\0\n\0")
    put("splits", "bom-only", struct.pack("<HHBB", 16, 9, 0, 2) + b"\1\1" + b"\xef\xbb\xbf")
    put("splits", "pages", struct.pack("<HHBB", 5000, 100, 255, 0) + b"line of text\r\n" * 250)


# ---- gzip ----


def bodies(text, level):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(text) + packer.flush()


def gzips():
    text = b"the first line\nthe second line\n" * 5
    member = gzip.compress(text, 9, mtime=0)
    full = b"\x1f\x8b\x08\x1e\0\0\0\0\0\3\x02\0eename\0comment\0"
    full += struct.pack("<H", zlib.crc32(full) & 0xFFFF) + member[10:]
    raw = {"one": member, "two": member * 2, "full-header": full, "garbage": member + b"x", "truncated": member[:-3], "zero": member + b"\0" * 9}
    for name, data in raw.items():
        put("gzip", name, b"\x40\0\0" + data)
    for level in (0, 1, 9):
        put("gzip", f"body-{level}", b"\x07\0\1" + bodies(text, level))
    put("gzip", "bomb", b"\xff\xff\1" + bodies(b"\0" * 500000, 9))


# ---- kernels ----


def kernels():
    grams = b"word\t1999\t12\t3\nword\t2000\t5\t1\n\t\t1\t\nbad\t1\n" + b"k" * 70 + b"\t1\t99999999\t2\nx\t1\t18446744073709551616\t1\n"
    put("lines", "ngrams", b"\0\n" + grams)
    put("lines", "sum", b"\1\t" + b"a\t1\na\t18446744073709551615\nb\t00000000000000000017\n\n\t5\n")
    put("lines", "line", b"\2x" + b"same\nsame\n\nother\r\n")
    put("lines", "signed", b"\7\1\2\0 7" + b"a -5\na 7\nb --1\nc -\nd -18446744073709551615 x\n")
    put("lines", "columns", b"\3\2\4\5,0" + b"a,b,c,1,d\na,b,c,2\n,,,3,\n")
    words = "don\u2019t na\u00efve x_1 \u2028 a\u200cb \u3000 \u00aa\u00d7\u00c9\u0130\u1e9e \U0001f600 Stra\u00dfe\n".encode()
    put("words", "mixed", b"\0a" + words + b"\xff\xe2\x80 ABC abc\n" + b"w" * 140)
    put("words", "lower", b"\1\x80" + words * 3)


# ---- numbers, settings, output ----


def texts():
    for number, text in enumerate(["64K", "1.5G", "250ms", "5m", "0", "18446744073709551615", "18446744073709551616", "1.GiB", "0x10", "1e3", "7d"]):
        put("numbers", str(number), b"\0" * 9 + b"\xff" * 8 + text.encode())
    put("settings", "file", b"\1# comment\nchunk = 4M\n  quiet\nmemory=1G \n\ntop\n")
    put("settings", "file-wrong", b"\1chnk = 4M\n")
    put("settings", "line", b"\0FILE\n--chunk\n4M\n-qrj2\n--key=3\n--delimiter\ncomma\n--\n--x")
    put("settings", "short", b"\2--lo\nx\n--mem 5\n-o\nout\n--skip=3")
    put("settings", "help", b"\4--lower\n--help")
    cells = (12345).to_bytes(8, "little") + b"\0" + b"\xff" * 8 + b"\0"
    for name, key in {"plain": b"word", "tab": b"a\tb\\c\nd", "csv": b'say "a,b"', "bytes": b"a\xffb\xed\xa0\x80", "control": b"\0\x1b\x7f\xc3\xa9\xf0\x9f\x98\x80", "empty": b""}.items():
        put("output", name, b"\1" + cells + key)


# ---- journal: kind, change, cut, place, records ----


def journal():
    records = b"\3\5hello" + b"\3\x20" + b"r" * 32 + b"\4\1\2\0\1\7\x10\0\0\0" + b"\2\x08lifelife" + b"\3\0" + b"\4\1\1\3\0\0\0\0" + b"\5\2ok"
    for kind in (1, 3, 5, 7):
        put("journal", f"records-{kind}", bytes([kind, 0x40]) + struct.pack("<HH", 200, 300) + records)
    put("journal", "empty", b"\0" * 6)
    put("journal", "raw", b"\0" * 6 + b"not a journal" * 9)


for make in (wire, runs, splits, gzips, kernels, texts, journal):
    make()
