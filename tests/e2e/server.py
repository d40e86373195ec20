#!/usr/bin/env python3
"""A web server of one folder, with ranges and validators, that plays the faults its URLs ask for.

usage: server.py FOLDER PORT [CERTIFICATE]

    /NAME?fail=N       the first N requests are answered 503
    /NAME?cut=BYTES    a connection ends after so many bytes of a body; every request goes so much further
    /NAME?plain        no ranges: always all of it, 200
    /NAME?unsized      no ranges, and no length
    /NAME?tag=a&tag=b  the ETag: the first of them, then the second...; the last stays
    /NAME?notag        neither ETag nor Last-Modified
    /NAME?status=N     that
    /NAME?slow=MS      so long before each 64 KiB
    /NAME?sign=TEXT    403 without it, to a file NAME.signed
    /to?URL            redirect to URL
    /loop              redirect to itself

Each request is a line on stdout: method, path without query, range, status.
"""
import email.utils
import http.server
import os
import re
import ssl
import sys
import threading
import time
import urllib.parse

folder, port = sys.argv[1], int(sys.argv[2])
counts: dict[str, int] = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, status):
        path = self.path.split("?")[0]
        print(self.command, path, self.headers.get("Range", "-"), status, flush=True)

    def answer(self, status, headers=(), body=b""):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.answer(403)  # as what is signed for GET answers

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        name = os.path.join(folder, os.path.basename(parts.path))
        with lock:
            count = counts[self.path] = counts.get(self.path, 0) + 1
        if parts.path == "/to":
            return self.answer(302, [("Location", urllib.parse.unquote(parts.query))])
        if parts.path == "/loop":
            return self.answer(302, [("Location", "/loop")])
        if "status" in asked:
            return self.answer(int(asked["status"][0]), body=b"no\n")
        if count <= int(asked.get("fail", [0])[0]):
            return self.answer(503, body=b"later\n")
        if name.endswith(".signed") and "sign" not in asked:
            return self.answer(403, body=b"unsigned\n")
        if not os.path.isfile(name):
            return self.answer(404, body=b"none\n")
        return self.send_file(name, asked, count)

    def send_file(self, name, asked, count):
        stat = os.stat(name)
        headers = []
        if "notag" not in asked:
            tags = asked.get("tag", [f"{stat.st_mtime_ns:x}-{stat.st_size:x}"])
            headers.append(("ETag", f'"{tags[min(count, len(tags)) - 1]}"'))
            headers.append(("Last-Modified", email.utils.formatdate(stat.st_mtime, usegmt=True)))
        ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last, status = 0, stat.st_size - 1, 200
        if ranged and "plain" not in asked and "unsized" not in asked:
            first, last, status = int(ranged[1]), min(int(ranged[2]), stat.st_size - 1), 206
            if first >= stat.st_size:
                return self.answer(416, [("Content-Range", f"bytes */{stat.st_size}")])
            headers.append(("Content-Range", f"bytes {first}-{last}/{stat.st_size}"))
        self.note(status)
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        if "unsized" in asked:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.send_body(name, first, last - first + 1, asked, count)

    def send_body(self, name, first, left, asked, count):
        cut = int(asked["cut"][0]) * count if "cut" in asked else left
        with open(name, "rb") as file:
            file.seek(first)
            while left:
                if "slow" in asked:
                    time.sleep(int(asked["slow"][0]) / 1000)
                piece = file.read(min(left, 65536, cut))
                self.wfile.write(piece)
                left -= len(piece)
                cut -= len(piece)
                if not cut and left:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", port), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
