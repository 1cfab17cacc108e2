"""Declared objects (YAML) and what follows from them: checking, and compiling into a policy snapshot.

Pure functions and frozen models: no socket, no clock, neither `zmq` nor `_core`. Only `load.py` reads files.

| a change of | goes to |
|---|---|
| a kind or a field of the YAML | `objects.py`, or its own: `mask_`, `people_`, `sharing_objects.py`; `docs/policy.md` |
| a kind of the desk or of evidence; kinds of alarms | `desk_objects.py`, `evidence_objects.py`; `alarm_kinds.py` |
| JSON Schema of the kinds | `json_schema.py`; the page of their fields: `tools/gen_objects.py` |
| names by which objects call each other | `references.py` |
| days, times and windows | `moments.py`, `windows.py` |
| what rights hang on, indexed | `world.py` |
| who may do what, and why | `persons.py`, `grants.py`, `rights.py`, `reasons.py`; the tests' `rights_model.py` too |
| what the core is told of rights | `live_rights.py`, `compile.py` |
| who may bookmark a camera, and for whom | `incidents.py` |
| who may change which objects | `changes.py`, `fingerprint.py` |
| what fields of several kinds share | `fields.py` |
| which points make a polygon | `polygons.py` |
| checks between mask sets and cameras, and what becomes of them | `masks.py` |
| what a site's partner may offer, and which cameras it becomes | `inventory.py`, `sites.py` |
| what a name, an address or a URL may look like | `texts.py` |
| checks between objects | `load.py` |
| how an error reads | `problems.py` |
| what the core is told | `compile.py`, with `src/engine/policy/` and `vigie/schema/` |
"""

from vigie.policy.compile import Compiled, compile_snapshot
from vigie.policy.declared import Town
from vigie.policy.inventory import Inventory
from vigie.policy.load import load_town
from vigie.policy.problems import ConfigurationError, Problem

__all__ = ["Compiled", "ConfigurationError", "Inventory", "Problem", "Town", "compile_snapshot", "load_town"]
