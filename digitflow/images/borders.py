"""What lies around the paper: the frame of a canvas, the edge of a scan, a desk."""

import numpy as np

from digitflow.images.ink import shrink

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; the last two are beyond the box."""

# Of the range of the picture's levels: what differs so much from the paper is not paper.
_APART, _SOFT = 0.3, 0.1
# Of a side: how deep a frame is, and on how much of its length it differs.
_DEEPEST, _FILLED, _PAPER = 0.05, 0.9, 0.5
# A line along one or two edges; what is deeper may be a stroke that lies there.
_THIN_SHARE, _THIN = 0.01, 2
# Of the border, and of the picture: where less differs from the border there is no sheet.
_LEAST_AROUND, _LEAST_SHEET = 0.08, 0.2
_LEAST_DESK, _SOLID, _CONVEX = 0.04, 0.7, 0.92
# A sheet has corners; an ellipse, drawn as a polygon of so few, loses more.
_CORNERS, _CORNER_REACH, _STRAIGHT = 6, 0.02, 0.93
# Of the border: where the desk is on so much of it, marks on the desk don't matter.
_AROUND, _FEW_MARKS = 0.85, 0.5
_MARK_SIDE = 9
_LEAST_APART, _DUST, _SHARP = 16, 3, 0.5
_LEAST_SIDE = 64
# Pixels of the small picture: the soft edge of a sheet, and its shadow on the desk.
_EDGE = 2


def clear_borders(picture: np.ndarray) -> tuple[np.ndarray, list[Box]]:
    """Paint what lies around the paper as if the paper went on.

    Parameters
    ----------
    picture : ndarray of shape (height, width), uint8

    Returns
    -------
    cleared : ndarray of shape (height, width), uint8
        The picture itself where nothing lies around.
    borders : list of tuple of int
        What was painted over: the box around it.
    """
    import cv2

    height, width = picture.shape
    frame = _measure_frame(picture)
    if any(frame):
        top, bottom, left, right = frame
        inner = picture[top : height - bottom, left : width - right]
        picture = cv2.copyMakeBorder(inner, *frame, cv2.BORDER_REPLICATE)
    sheet = _find_sheet(shrink(picture)) if max(picture.shape) >= _LEAST_SIDE else None
    if sheet is not None:
        picture = _paint_around(picture, sheet)
    found = any(frame) or sheet is not None
    return np.asarray(picture), [(0, 0, width, height)] if found else []


def _measure_frame(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Return how deep a frame is on each side: top, bottom, left, right."""
    step = max(1, min(picture.shape) // 64)
    sample = picture[::step, ::step]
    paper = float(np.median(sample))
    apart = _APART * float(np.ptp(sample))
    sides = (picture, picture[::-1], picture.T, picture.T[::-1])
    depths = [_measure_side(side, paper, apart) for side in sides]
    around = sum(depth > 0 for depth in depths) > 2
    top, bottom, left, right = (
        depth if around or depth <= max(_THIN, _THIN_SHARE * len(side)) else 0
        for depth, side in zip(depths, sides, strict=True)
    )
    return top, bottom, left, right


def _measure_side(side: np.ndarray, paper: float, apart: float) -> int:
    """Count the first rows that differ from the paper nearly everywhere."""
    deepest = max(2, round(_DEEPEST * len(side)))
    for depth, row in enumerate(side[:deepest]):
        away = row.astype(np.int16) - paper
        least = _SOFT / _APART * apart if depth else apart
        if max(np.mean(away > least), np.mean(away < -least)) < _FILLED:
            # What follows a frame is paper; what follows a desk in part is more desk.
            return depth if np.mean(np.abs(away) < apart) > _PAPER else 0
    # Deeper than a frame is: a desk, a shadow, or a thick stroke.
    return 0


def _find_sheet(small: np.ndarray) -> np.ndarray | None:
    """Return the corners (n, 2), shares of the sides, of a sheet that fills a part only."""
    import cv2

    border = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
    apart = max(_APART * float(np.ptp(small)), 1.0)
    differs = np.abs(small - np.float32(np.median(small))) > apart
    edges = np.concatenate([differs[0], differs[-1], differs[1:-1, 0], differs[1:-1, -1]])
    covered = np.mean(np.abs(small - np.float32(np.median(border))) > apart)
    if edges.mean() < _LEAST_AROUND and covered < _LEAST_SHEET:
        return None
    flat = cv2.medianBlur(small, 3)
    bright = cv2.threshold(flat, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
    for region in (bright, 1 - bright):
        corners = _outline_sheet(region)
        if corners is not None and _is_sheet(small, corners):
            return corners / np.array(small.shape[::-1], np.float32)
    return None


def _outline_sheet(region: np.ndarray) -> np.ndarray | None:
    """Return the hull (n, 2) of the largest part if it is solid and has straight sides."""
    import cv2

    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if not _LEAST_SHEET * region.size <= area <= (1 - _LEAST_DESK) * region.size:
        return None
    filled = cv2.fillConvexPoly(np.zeros_like(region), hull, 1)
    polygon = cv2.approxPolyDP(hull, _CORNER_REACH * cv2.arcLength(hull, True), True)
    # What is written on it makes holes; a thick digit has bays.
    is_solid = (region & filled).sum() >= _SOLID * area
    is_solid &= cv2.contourArea(outline) >= _CONVEX * area
    is_straight = cv2.contourArea(polygon) >= _STRAIGHT * area
    if not is_solid or not is_straight or len(polygon.reshape(-1, 2)) > _CORNERS:
        return None
    return np.asarray(hull.reshape(-1, 2))


def _is_sheet(small: np.ndarray, corners: np.ndarray) -> bool:
    """Tell whether there are marks within, and none around, as there are in a shadow."""
    import cv2

    inside = cv2.fillConvexPoly(np.zeros_like(small), corners, 1)
    edge = np.ones((2 * _EDGE + 1,) * 2, np.uint8)
    within = cv2.erode(inside, edge, borderValue=0) > 0
    around = cv2.dilate(inside, edge) == 0
    if not within.any() or not around.any():
        return False
    levels = small.astype(np.float32)
    usual = [float(np.median(levels[part])) for part in (within, around)]
    rim = [float(np.median(levels[part])) for part in _find_rims(inside)]
    if abs(rim[0] - rim[1]) < _SHARP * abs(usual[0] - usual[1]):
        return False
    if not _holds_marks(np.abs(levels - usual[0]) * inside, within):
        return False
    edges = np.concatenate([inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1]])
    ground = cv2.medianBlur(small, _MARK_SIDE).astype(np.float32)
    marks = np.abs(levels - ground) / (ground + 8)
    strongest = [float(np.percentile(marks[part], 99)) for part in (within, around)]
    return 1 - edges.mean() >= _AROUND or strongest[1] <= _FEW_MARKS * strongest[0]


def _find_rims(inside: np.ndarray) -> list[np.ndarray]:
    """Return where the rim of a sheet is, and where that of its surroundings."""
    import cv2

    far, near = (np.ones((side, side), np.uint8) for side in (4 * _EDGE + 1, 2 * _EDGE + 1))
    rims = []
    for part in (inside, 1 - inside):
        rim = cv2.erode(part, near, borderValue=1) - cv2.erode(part, far, borderValue=1)
        rims.append(rim > 0)
    return rims


def _holds_marks(departure: np.ndarray, within: np.ndarray) -> bool:
    """Tell whether something that departs from the paper does not reach its edge."""
    import cv2

    strong = departure > max(_LEAST_APART, _APART * float(departure[within].max()))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(strong.astype(np.uint8))
    is_mark = boxes[:, cv2.CC_STAT_AREA] > _DUST
    is_mark[0] = False
    is_mark[np.unique(labels[~within])] = False
    return bool(is_mark.any())


def _paint_around(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Continue the sheet's own level, dark or light as it is nearby."""
    import cv2

    small = cv2.medianBlur(shrink(picture), 5)
    size = np.array(small.shape[::-1], np.float32)
    inside = cv2.fillConvexPoly(np.zeros_like(small), np.rint(corners * size).astype(int), 1)
    edge = np.ones((2 * _EDGE + 1,) * 2, np.uint8)
    inside = cv2.erode(inside, edge, borderValue=1)
    known = inside.astype(np.float32)
    usual = float(np.median(small[inside > 0]))
    paper = known * (np.abs(small - np.float32(usual)) < _APART * float(np.ptp(small)))
    level: np.ndarray = np.full(small.shape, usual, np.float32)
    for side in (65, 33, 17, 9):
        weight = cv2.blur(paper, (side, side))
        near = cv2.blur(paper * small, (side, side)) / np.maximum(weight, 1e-6)
        level = np.where(weight > 0.02, near, level)
    height, width = picture.shape
    painted = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(inside, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(mask > 0, picture, np.rint(painted).clip(0, 255).astype(np.uint8))
