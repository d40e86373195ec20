#!/usr/bin/env python3
"""Records what a worker sends, byte for byte, and plays it back.

capture.py tap PORT LANES DIR   passes 127.0.0.2 on to 127.0.0.1, at PORT (control), the next one (sink) and LANES (A-B); what the worker sends on
                                control and sink is kept in DIR/control and DIR/sink
capture.py play PORT DIR        sends both, and waits until the other end closes

Both say "ready" when they listen, or have sent all.
"""
import os
import selectors
import socket
import sys

GREETING = 64  # bytes of ZMTP 3, which each end waits for


def dial(port):
    return socket.create_connection(("127.0.0.1", port))


def tap(port, lanes, folder):
    low, high = map(int, lanes.split("-"))
    poll = selectors.DefaultSelector()
    names = {port: "control", port + 1: "sink"}
    for each in [port, port + 1, *range(low, high + 1)]:
        listener = socket.create_server(("127.0.0.2", each))
        poll.register(listener, selectors.EVENT_READ, ("accept", each, None))
    print("ready", flush=True)
    while True:
        for key, _ in poll.select():
            kind, other, log = key.data
            if kind == "accept":
                near = key.fileobj.accept()[0]
                try:
                    far = dial(other)
                except OSError:
                    near.close()
                    continue
                # The first connection's only: the worker comes again when the coordinator is gone.
                log = open(os.path.join(folder, names.pop(other)), "wb", buffering=0) if other in names else None
                poll.register(near, selectors.EVENT_READ, ("pass", far, log))
                poll.register(far, selectors.EVENT_READ, ("pass", near, None))
                continue
            try:
                data = key.fileobj.recv(65536)
                other.sendall(data)
            except OSError:
                data = b""
            if log:
                log.write(data)
            if not data:
                for end in (key.fileobj, other):
                    poll.unregister(end)
                    end.close()
                break


def play(port, folder):
    ends = []
    for each, name in ((port, "control"), (port + 1, "sink")):
        end = dial(each)
        with open(os.path.join(folder, name), "rb") as file:
            end.sendall(file.read(GREETING))
            end.recv(GREETING, socket.MSG_WAITALL)
            end.sendall(file.read())
        ends.append(end)
    print("ready", flush=True)
    for end in ends:
        try:
            while end.recv(65536):
                pass
        except ConnectionResetError:
            pass


if sys.argv[1] == "tap":
    tap(int(sys.argv[2]), sys.argv[3], sys.argv[4])
else:
    play(int(sys.argv[2]), sys.argv[3])
