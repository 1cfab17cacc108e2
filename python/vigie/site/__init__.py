"""Sites: partners that are asked for their cameras, another vigie or an ONVIF recorder.

What a partner offers becomes an `Inventory` (a value of `vigie.policy`), and that becomes cameras of the snapshot: the
engine knows nothing of sites. May use `vigie.policy` and the small clients beside it; never an engine.

| a change of | goes to |
|---|---|
| who is asked, and by which protocol | `partner.py` |
| another vigie: the list over RTSP | `relay.py`, with `src/engine/sink/rtsp_listing.cc` |
| RTSP requests and answers without media | `rtsp.py` |
| an ONVIF device: services, profiles, stream URIs | `onvif.py`, with `vigie/soap.py` |
| when partners are asked, back-off, what is told of it | `watch.py` |
| `vigie site list` | `cli.py` |
| which camera becomes which, names, rights, credentials | `vigie/policy/sites.py` |
"""
