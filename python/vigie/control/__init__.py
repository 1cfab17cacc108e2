"""The control plane: objects kept in a state folder, and a ZeroMQ service to change, read and follow them.

| a change of | goes to |
|---|---|
| what a state folder holds on disk | `database.py` (a step more in `LAYOUTS`), `secret_store.py` |
| apply, rollback, history | `store.py`; how documents become objects: `proposals.py`; differences: `diff.py` |
| which rollbacks show more than before | `loosening.py` |
| frames, limits, msgpack | `wire.py`, with `tests/contract/wire_golden.json` and `docs/protocol.md` |
| an operation: its fields, who may | `ops.py`, with `docs/protocol.md`; what it does: `handlers.py` |
| sockets, queues, events, heartbeats | `service.py`, `router.py`, `inbox.py`, `peers.py`; keys of clients: `keys.py` |
| who may do what | `parties.py`: the protocols, and the rights that stand behind them |
| what is journaled of a command; of an apply besides | `state_journal.py`; `apply_records.py` |
| what reaches the engine | `in_force.py`, `engine_gate.py` |
| the socket between control and engine | `engine_link.py`, `engine_wire.py`, `snapshot_text.py`, `agent.py` |
| the control process as a whole | `plane.py`; the engine's: `agent.py`, `event_buffer.py` |
| who starts these two | `vigie.processes` |
| the clock that rights go by | `rights_clock.py` |
| a back-up | `backup.py` |
| when the journal is purged, and by which months | `retention.py` |
| alarms, outlets | rules: `vigie.alarms`; the rest: `alarm_desk.py`, `desk_database.py`, `outlet_threads.py` |
| operations of people at a desk | `desk_ops.py`, `desk.py`, `incidents.py`, `approvals.py`, `signed_in.py` |
| ways to sign in | `signin/` |
| clients | `session.py` (no I/O), `client.py`, `aclient.py` |

`zmq` is imported only here; only `agent.py` may import both it and the core. Nothing here sees a picture, except the
still that `camera.snapshot` asks for.
"""
