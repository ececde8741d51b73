"""The Airflow DAGs of a cxflow project. Copy this file into Airflow's DAG folder; it needs no change.

The project is the folder in CXFLOW_PROJECT, or else the one that holds this file's folder.
"""

import os
from pathlib import Path

from cxflow.airflow.factory import dags

PROJECT = Path(os.environ.get("CXFLOW_PROJECT") or Path(__file__).resolve().parents[1])

globals().update(dags(PROJECT))
