"""Train the delay model on the training set, register it with the features it was trained on, deploy it, and say what reads it.

    python ml/train.py VERSION
"""
from __future__ import annotations

import io
import os
import subprocess
import sys

import duckdb
import joblib
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from ingest_hooks import Emitter

TRAINING_SET = (f"duckdb://{os.path.basename(os.environ['FLIGHTS_DUCKDB'])}", "flights.training.training_set")
SCHEDULED = ["distance_miles"]  # comes with the request
FEATURES = ["carrier_flights_7d", "carrier_late_flights_7d", "route_flights_7d", "route_late_flights_7d",
            "temperature_c", "wind_speed_ms", "visibility_km", "precipitation_mm", "plane_age_years"]
COLUMNS = [*SCHEDULED, *FEATURES]
QUERY = f"select {', '.join(COLUMNS)}, label, reference_time from training.training_set order by reference_time, carrier, flight_number, origin"


def train(connection: duckdb.DuckDBPyConnection) -> tuple[HistGradientBoostingClassifier, float]:
    """Fit on January to October, measure on the last two months."""
    frame = connection.sql(QUERY).to_arrow_table().to_pandas()
    past = frame["reference_time"] < "2013-11-01T00:00:00+00:00"
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    model.fit(frame.loc[past, COLUMNS], frame.loc[past, "label"])
    return model, roc_auc_score(frame.loc[~past, "label"], model.predict_proba(frame.loc[~past, COLUMNS])[:, 1])


def main(version: str) -> None:
    connection = duckdb.connect(os.environ["FLIGHTS_DUCKDB"], read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    with Emitter.from_env(namespace="flights") as emitter:
        with emitter.step("train_delay_model", inputs=[TRAINING_SET], code=train) as step:
            trained_on = step.version(TRAINING_SET, connection.sql("select * from training.training_set").to_arrow_table(),
                                      event_time={"column": "reference_time"}, knowledge="column:label_time")
            model, score = train(connection)
        content = io.BytesIO()
        joblib.dump(model, content)
        artifact = emitter.artifact(content.getvalue())
        namespace, name = TRAINING_SET
        trained = dict(
            namespace="flights", version=version, artifact=artifact, framework="scikit-learn",
            training_datasets=[{"namespace": namespace, "name": name, "version": trained_on}],
            training_columns=[{"namespace": namespace, "name": name, "column": column} for column in [*COLUMNS, "label"]],
            reference_time_column="reference_time", label_time_column="label_time", label_columns=["label"], commit=commit, run_id=step.run_id,
            features=[f"flights:{feature}@latest-stable" for feature in FEATURES], owners=["delay-model@example.org"])
        # stable: serving gets for ever the versions that latest-stable means now
        emitter.model_version(**trained, name="delay", binding="stable",
                              description=f"Arrival more than 15 minutes late; area under the ROC curve {score:.3f}")
        before = str(int(version) - 1) if int(version) > 1 else None
        if before is None:  # the departure board goes on with its first model, on whatever latest-stable means at the time
            emitter.model_version(**trained, name="delay_board", binding="flexible", ttl_seconds=60,
                                  description="The same model for the departure board, which is no decision")
        emitter.deployment(namespace="flights", name="delay", id=f"production-{version}", action="deploy", model_version=version, environment="production",
                           previous=before and f"production-{before}")
        if before is not None:
            emitter.deployment(namespace="flights", name="delay", id=f"production-{before}", action="retire", model_version=before, environment="production")
        emitter.consumer(kind="dashboard", namespace="control-room", name="delay_dashboard", owners=["control-room@example.org"],
                         url="https://dashboards.example.org/delays", models=[f"flights:delay@{version}"],
                         description="Expected delays per carrier and origin.")
    print(f"trained delay@{version} on training_set {trained_on[:12]}: area under the ROC curve {score:.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
