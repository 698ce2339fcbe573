"""Chapter `explore`: what the digits look like."""

from typing import Any

import numpy as np

from digitflow.formatting import format_bytes
from digitflow.reports.charts import draw_digit_cloud, draw_image_rows, draw_lines
from digitflow.reports.figures import draw_classes
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Parts, Table, check_number

# Half a component: the number of them is whole.
EXACT = 0.5


def compose(context: ChapterContext) -> Chapter:
    """Show the sets, the classes, the pixels, their components and two maps."""
    pixels, classes = (context.results[name].values for name in ("pixels", "classes"))
    components = context.results["components"].values
    return Chapter(
        section="explore",
        title="The digits themselves",
        question="What is there to learn from, and how is it spread?",
        findings=_conclude(pixels, classes, components),
        parts=(
            _list_sets(pixels["sets"]),
            *_show_classes(context, classes),
            *_show_pixels(context, pixels),
            *_show_components(context, components),
            *_show_maps(context, components),
        ),
    )


def _conclude(pixels: Any, classes: Any, components: Any) -> tuple[str, ...]:
    train = pixels["sets"]["train"]
    counts = classes["counts"]["train"]
    return (
        f"{train['shape'][0]:,} training images of 28 x 28 pixels, from {min(counts):,} of the "
        f"digit {int(np.argmin(counts))} to {max(counts):,} of the digit "
        f"{int(np.argmax(counts))}; {train['missing']} values are missing.",
        f"{components['needed']['0.95']} of 784 components hold 95 % of the variance; "
        f"{pixels['constant']} pixels never change.",
    )


def _list_sets(sets: Any) -> Part:
    rows = (
        {
            "set": name,
            "shape": " x ".join(f"{size:,}" for size in facts["shape"]),
            "pixels": facts["dtype"],
            "labels": facts["labels_dtype"],
            "size": format_bytes(facts["bytes"]),
            "lowest": facts["lowest"],
            "highest": facts["highest"],
            "missing (NaN)": facts["missing"],
            "classes": facts["classes"],
            "writers": facts["writers"],
        }
        for name, facts in sets.items()
    )
    return Table.of(rows, "sets", "The two sets")


def _show_classes(context: ChapterContext, classes: Any) -> Parts:
    counts = classes["counts"]
    shares = {
        name: [100 * count / sum(found) for count in found] for name, found in counts.items()
    }
    samples, means, spreads = context.open("classes", "samples", "means", "spreads")
    widest = int(np.argmax([spread.mean() for spread in spreads]))
    narrowest = int(np.argmin([spread.mean() for spread in spreads]))
    heavy, light = int(np.argmax(classes["ink"])), int(np.argmin(classes["ink"]))
    return (
        context.figure(
            "classes",
            "How often each digit occurs",
            f"Every digit is between {min(shares['train']):.1f} and {max(shares['train']):.1f} "
            f"% of the training images, so accuracy is a fair measure.",
            draw_classes,
            counts,
        ),
        Table.behind(
            "class-counts",
            ("digit", "training images", "test images", "mean ink (% of full)"),
            (
                (digit, counts["train"][digit], counts["test"][digit], 100 * ink)
                for digit, ink in enumerate(classes["ink"])
            ),
        ),
        context.figure(
            "samples",
            "Samples of each digit",
            "Ten images of each digit, evenly spread over the training images: slant, width "
            "and thickness differ from hand to hand.",
            draw_image_rows,
            {str(digit): images for digit, images in enumerate(samples)},
        ),
        context.figure(
            "means",
            "Mean and spread of each pixel (dark is high)",
            f"The digit {narrowest} is written most alike and {widest} least (mean spread "
            f"{spreads[narrowest].mean():.0f} and {spreads[widest].mean():.0f} of 255); "
            f"{heavy} has the most ink and {light} the least.",
            draw_image_rows,
            {
                "mean": means.astype(np.uint8),
                "spread": (spreads * (255 / spreads.max())).astype(np.uint8),
            },
        ),
    )


def _show_pixels(context: ChapterContext, pixels: Any) -> Parts:
    counts = np.array(pixels["histogram"])
    share = 100 * counts / counts.sum()
    stages = pixels["stages"]
    return (
        context.figure(
            "pixel-values",
            "Values of the pixels",
            f"{share[0]:.1f} % of all pixels are paper (0) and {share[250:].sum():.1f} % are "
            f"full ink (250 to 255): what lies between are the edges of strokes.",
            draw_lines,
            {"training images": (np.arange(256), np.maximum(share, 1e-4))},
            "pixel value (0 is paper, 255 full ink)",
            "share of all pixels (%)",
            log_y=True,
        ),
        Table.behind(
            "pixel-values",
            ("value", "pixels"),
            ((value, int(count)) for value, count in enumerate(counts)),
        ),
        Table.of(
            (
                {
                    "pixels": name,
                    "mean": facts["mean"],
                    "standard deviation": facts["deviation"],
                    "lowest": facts["lowest"],
                    "median": facts["median"],
                    "highest": facts["highest"],
                }
                for name, facts in stages.items()
            ),
            "pixel-statistics",
            "Pixels before and after scaling",
            "Normalised is divided by 255; standardised is brought to mean 0 and "
            "deviation 1 pixel by pixel, where one that is rarely inked becomes very large.",
        ),
    )


def _show_components(context: ChapterContext, components: Any) -> Parts:
    held = 100 * np.array(components["cumulated"])
    needed = components["needed"]["0.95"]
    return (
        context.figure(
            "variance",
            "Variance held by the first components",
            f"The first {needed} of 784 components hold 95 % of the variance, "
            f"{components['needed']['0.99']} hold 99 %.",
            draw_lines,
            {"held": (np.arange(1, 785), held)},
            "number of components",
            "variance held (%)",
            marks={f"{needed} components": (needed, float(held[needed - 1]))},
        ),
        Table.behind(
            "variance",
            ("components", "variance held (%)"),
            ((k + 1, float(share)) for k, share in enumerate(held)),
        ),
        check_number("components that hold 95 % of the variance", 154, needed, EXACT),
        _show_rebuilt(context, components),
    )


def _show_rebuilt(context: ChapterContext, components: Any) -> Part:
    originals, rebuilt = context.open("components", "originals", "rebuilt")
    errors = components["error"]
    lost = ", ".join(f"{k}: {error:.4f}" for k, error in errors.items())
    return context.figure(
        "rebuilt",
        "Digits rebuilt from a few components",
        f"Mean squared error of a pixel (0 to 1) by the number of components kept: {lost}.",
        draw_image_rows,
        {"original": originals}
        | {f"{k} kept": images for k, images in zip(errors, rebuilt, strict=True)},
    )


def _show_maps(context: ChapterContext, components: Any) -> Parts:
    two = 100 * components["cumulated"][1]
    placed, digits = context.open("components", "map", "labels")
    near, near_digits = context.open("neighbourhoods", "map", "labels")
    return (
        context.figure(
            "map",
            f"The first two components ({len(placed):,} images)",
            f"Two components hold {two:.1f} % of the variance: 0 and 1 lie apart, most "
            f"others over one another.",
            draw_digit_cloud,
            placed,
            digits,
            "first component (pixels of 0 to 1)",
            "second component (pixels of 0 to 1)",
        ),
        context.figure(
            "neighbours",
            f"Neighbours stay neighbours ({len(near):,} images)",
            "t-SNE lays the same kind of images out by nearness: each digit is an island or "
            "two, and what lies between islands is what models confuse.",
            draw_digit_cloud,
            near,
            near_digits,
            "t-SNE, first axis (no unit)",
            "t-SNE, second axis (no unit)",
        ),
    )
