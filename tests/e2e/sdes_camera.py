"""A camera over RTSPS that gives the keys of SRTP by SDES; FFmpeg encrypts and sends its media."""

import base64
import os
import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Self

ENCODINGS = {"h264": "H264", "h265": "H265"}
KEY_BYTES = 30  # FFmpeg has the suites of AES_CM_128 alone


class SdesCamera:
    """One clip (MPEG-TS) for one viewer at a time, over UDP; a context manager.

    `url`: where it is. `key`: what is really used. `lie`: the description has another one.
    """

    def __init__(self, clip: Path, codec: str, tls: tuple[Path, Path], suite: str, *, lie: bool = False) -> None:
        self._clip = clip
        self._codec = codec
        self._suite = suite
        self.key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
        self._said = base64.b64encode(os.urandom(KEY_BYTES)).decode() if lie else self.key
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsps://127.0.0.1:{self._listener.getsockname()[1]}/cam"
        self._sender: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(connection, server_side=True) as stream:
                    self._talk(stream)
            except OSError:
                pass
            self._stop_sender()

    def _talk(self, stream: ssl.SSLSocket) -> None:
        unread = b""
        port = 0
        while part := stream.recv(65536):
            unread += part
            while b"\r\n\r\n" in unread:
                request, unread = unread.split(b"\r\n\r\n", 1)
                text = request.decode()
                headers, body = "", ""
                if text.startswith("DESCRIBE"):
                    body = self._description()
                    headers = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                elif text.startswith("SETUP"):
                    wanted = re.search(r"RTP/SAVP;unicast;client_port=(\d+)", text)
                    assert wanted, text
                    port = int(wanted[1])
                    headers = "Session: 1\r\n"
                    headers += f"Transport: RTP/SAVP;unicast;client_port={port}-{port + 1};server_port=0-0\r\n"
                elif text.startswith("PLAY"):
                    self._start_sender(port)
                number = re.search(r"CSeq: (\d+)", text)
                assert number, text
                stream.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number[1]}\r\n{headers}\r\n{body}".encode())

    def _description(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=video 0 RTP/SAVP 96"]
        lines += [f"a=rtpmap:96 {ENCODINGS[self._codec]}/90000", "a=control:track"]
        lines += [f"a=crypto:1 {self._suite} inline:{self._said}"]
        return "".join(line + "\r\n" for line in lines)

    def _start_sender(self, port: int) -> None:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(self._clip)]
        command += ["-c", "copy", "-f", "rtp", "-payload_type", "96"]
        command += ["-srtp_out_suite", self._suite, "-srtp_out_params", self.key]
        command += [f"srtp://127.0.0.1:{port}?rtcpport={port + 1}&pkt_size=1200"]
        self._sender = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _stop_sender(self) -> None:
        if self._sender:
            self._sender.kill()
            self._sender.wait()
            self._sender = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._stop_sender()
