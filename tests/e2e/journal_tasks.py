"""Prints the tasks that a journal says are committed, one a line, in the order of docs/journal.md; a torn tail is passed over."""
import struct
import sys

data = open(sys.argv[1], "rb").read()
at = 0
while at + 40 <= len(data):
    magic, kind, _, offset, size = struct.unpack_from("<4sIQQQ", data, at)
    end = at + 40 + (size + 7) // 8 * 8 + 16
    if magic != b"MRJ1" or offset != at or end > len(data) or data[end - 8 : end] != bytes.fromhex("a596c387b4d2e15a"):
        break
    if kind == 4:
        _, runs, _, results = struct.unpack_from("<IIQQ", data, at + 40)
        for i in range(results):
            print(struct.unpack_from("<I", data, at + 64 + 8 * runs + 40 * i)[0])
    at = end
