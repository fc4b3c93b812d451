"""Top talkers once more, of as many access logs as there are, on Spark.

    python examples/python/spark_job.py [FILE, FOLDER or PATTERN]... [--top 10] [--master 'local[2]']
    spark-submit examples/python/spark_job.py '/logs/access/*.log'

Without a path it reads the sample of the repository. Needs opsbox, pyspark, pandas, pyarrow and Java; on a cluster, opsbox and
pyarrow are needed on each worker, too, and the files at the same path. `--master` is for a run without spark-submit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import opsbox.spark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "access.log"
FIELDS = ["remote_addr", "time_local", "status", "body_bytes_sent"]


def top_talkers(requests: DataFrame, top: int) -> DataFrame:
    status = F.col("status")
    return (
        requests.groupBy("remote_addr")
        .agg(
            F.count("*").alias("requests"),
            F.count_if(status.between(400, 499)).alias("refused"),
            F.count_if(status >= 500).alias("failed"),
            F.round(F.sum("body_bytes_sent") / 1000, 1).alias("kilobytes"),
            F.min("time_local").alias("first"),
            F.max("time_local").alias("last"),
        )
        # Of equals the same ones first in every run.
        .orderBy(F.desc("requests"), "remote_addr")
        .limit(top)
    )


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        description="The addresses of access logs with the most requests, by Spark."
    )
    options.add_argument("paths", nargs="*", default=[SAMPLE])
    options.add_argument("--top", type=int, default=10, help="how many (default: 10)")
    options.add_argument(
        "--format", default="combined", help="a preset with these fields (default: combined)"
    )
    options.add_argument(
        "--master", help="where Spark runs, as local[2], if spark-submit does not say it"
    )
    args = options.parse_args(arguments)

    builder = SparkSession.builder.appName("top talkers").config(
        "spark.sql.session.timeZone", "UTC"
    )
    if args.master:
        builder = builder.master(args.master).config("spark.ui.enabled", "false")
    spark = builder.getOrCreate()
    try:
        requests = opsbox.spark.parse(args.paths, args.format, fields=FIELDS)
        top_talkers(requests, args.top).show(args.top, truncate=False)
        lines = opsbox.spark.unmatched(args.paths, args.format, fields=FIELDS)
        for row in lines.groupBy("path").count().orderBy("path").collect():
            print(f"{row['path']}: {row['count']} lines do not fit", file=sys.stderr)
    except (opsbox.OpsboxError, OSError) as error:
        print(f"spark_job: {error}", file=sys.stderr)
        return 2
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
