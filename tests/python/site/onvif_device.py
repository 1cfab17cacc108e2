"""An ONVIF device that answers WS-Discovery, beside the SOAP service of `onvif_recorder`; it can lie."""

import re
import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

GROUP = "239.255.255.250"
_ANSWER = (
    '<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><SOAP-ENV:Header>'
    "<wsa:RelatesTo>{id}</wsa:RelatesTo></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch>"
    "<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/{name}"
    " onvif://www.onvif.org/location/{location}</d:Scopes><d:XAddrs>{urls}</d:XAddrs>"
    "</d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
)


class Discoverable:
    """Answers probes at an address, or at the multicast group on the loopback interface. A context manager."""

    def __init__(
        self,
        urls: str,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        multicast: bool = False,
        name: str = "Entry%20North",
        location: str = "Metz",
        lie: Callable[[str], bytes] | None = None,
    ) -> None:
        """`lie`: the whole answer to a message id, instead."""
        self._fields = {"urls": urls, "name": name, "location": location}
        self._lie = lie
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if multicast:
            self._socket.bind((GROUP, port))
            membership = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        else:
            self._socket.bind((address, port))
        self.port: int = self._socket.getsockname()[1]
        self.asked = 0
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.close()
        self._thread.join()
        self._ended.close()
        self._socket.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._ended], [], [])
            if self._ended in ready:
                return
            probe, peer = self._socket.recvfrom(65535)
            found = re.search(rb"MessageID>([^<]+)<", probe)
            if found is None or b"NetworkVideoTransmitter" not in probe:
                continue
            self.asked += 1
            name = found[1].decode()
            answer = _ANSWER.format(id=name, **self._fields).encode() if self._lie is None else self._lie(name)
            # From a port of its own, as devices that heard a multicast do.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
                back.sendto(answer, peer)
