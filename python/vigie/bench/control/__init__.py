"""`vigie bench control`: how soon a withdrawn right ends what viewers read, and how fast the control plane answers.

| room | file |
|---|---|
| viewers that note when they read their last byte, in a process of their own | `viewers.py` |
| a right that is withdrawn in front of hundreds of viewers | `cut.py` |
| commands of many clients | `commands.py` |
| a city from its YAML files: applied, edited, started cold | `city.py` |
"""
