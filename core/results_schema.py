"""What a table of results holds: the type of each column, and what it means."""

import pyarrow as pa

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "path": (pa.string(), "relative to the folder, with /"),
    "sha256": (pa.string(), "hex digest of the file's bytes; null if they could not be read"),
    "label": (pa.int32(), "index of the class that the picture is said to show; null if none is"),
    "label_name": (pa.string(), "its name"),
    "predicted": (pa.int32(), "index of the most probable class; null if there is no prediction"),
    "predicted_name": (pa.string(), "its name"),
    "probability": (pa.float64(), "of the predicted class, 0 to 1"),
    "top5_index": (pa.list_(pa.int32()), "the five most probable classes, best first"),
    "top5_name": (pa.list_(pa.string()), "their names"),
    "top5_probability": (pa.list_(pa.float64()), "their probabilities, 0 to 1"),
    "correct": (pa.bool_(), "whether the predicted class is the label; null without a label"),
    "margin": (pa.float64(), "probability of the first class less that of the second, 0 to 1"),
    "entropy": (pa.float64(), "of the probabilities of all classes, in nats"),
    "loss": (pa.float64(), "cross-entropy with the label, in nats; null without a label"),
    "seconds": (pa.float64(), "reading, a share of the batch's prediction, and explaining"),
    "error": (pa.string(), "why there is no prediction, or no map; null if nothing went wrong"),
    "maps": (pa.string(), "file with the maps, relative to the results; null if not explained"),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])
