"""forge.py ENDPOINT KEYS VERSION: a worker that lies. It joins with its own keys, and then says, over and over, that the worker with the next number has done, failed and lost its
tasks, and sends partials in its name. Prints "at it" once it has begun. Ends when it is killed.

Needs Debian's python3-zmq and python3-msgpack.
"""

import re
import sys
import time

import msgpack
import zmq

TASKS, ATTEMPTS = 64, 3


def key(folder, name, kind):
    with open(f"{folder}/{name}", encoding="ascii") as file:
        return re.search(kind + r'-key = "(.*)"', file.read()).group(1).encode()


def connect(context, kind, endpoint, folder):
    socket = context.socket(kind)
    socket.linger = 0
    if folder:
        socket.curve_publickey = key(folder, "secret", "public")
        socket.curve_secretkey = key(folder, "secret", "secret")
        socket.curve_serverkey = key(folder, "coordinator.pub", "public")
    socket.connect(endpoint)
    return socket


def reachable(text, endpoint):
    return text.replace("//*:", "//" + endpoint.split("//")[1].rsplit(":", 1)[0] + ":")


def welcome(control, endpoint, version):
    control.send(msgpack.packb([1, 1, version, "liar", 1, 1, endpoint, 0]))
    while True:
        message = msgpack.unpackb(control.recv(), strict_map_key=False)
        if message[0] == 16:
            return message
        if message[0] == 17:
            sys.exit(f"refused: {message}")


def lies(epoch, victim):
    attempts = [[task, attempt] for task in range(TASKS) for attempt in range(1, ATTEMPTS + 1)]
    yield [3, epoch, victim, attempts]
    yield [6, epoch, victim, 0, attempts]
    yield [8, epoch, victim, 1, 0, [], attempts]
    yield [4, epoch, victim, 0, 1, 1, 0, "a lie"]
    yield [7, epoch, victim, "a lie"]


def partials(epoch, victim, first):
    for task in range(TASKS):
        yield [49, epoch, victim, first + task, 0, 0, [[task, 1, 1, 1, 0, 0]]]


def main():
    endpoint, folder, version = sys.argv[1], sys.argv[2], sys.argv[3]
    context = zmq.Context()
    control = connect(context, zmq.DEALER, endpoint, folder)
    answer = welcome(control, endpoint, version)
    epoch, victim = answer[3], answer[5] + 1
    sink = connect(context, zmq.PUSH, reachable(answer[7], endpoint), folder)
    for turn in range(1 << 30):
        for lie in lies(epoch, victim):
            control.send(msgpack.packb(lie))
        for lie in partials(epoch, victim, turn * TASKS):
            sink.send(msgpack.packb(lie))
        if turn == 0:
            print("at it", flush=True)
        time.sleep(0.002)


if __name__ == "__main__":
    main()
