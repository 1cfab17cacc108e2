"""Reads back from a recording or capture which masks its pictures were filled with.

`h264.py` takes coded pictures apart as far as that needs (NAL units, slice headers, the privacy mark), `units.py` reads
files, `report.py` judges, `cli.py` is `vigie inspect`. Nothing is decoded, and nothing of the engine is used: what the
engine wrote is read by other code. The mark's layout is that of src/engine/mask/privacy_sei.h.
"""
