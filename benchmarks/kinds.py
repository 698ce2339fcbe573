"""Kinds of pictures that people send, each made by a generator in a style, its truth known."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from cheques import crossed, dotted, guilloche, make_kind, waves
from drawing import (
    Box,
    Hand,
    Page,
    Sheet,
    arc,
    draw_paths,
    fit_height,
    pick,
    print_text,
    write_alone,
    write_page,
)


def plain(rng, hand):
    return write_page(rng, hand).expose(rng)


def column(rng, hand):
    return write_page(rng, hand, lines=8, columns=1, height=50).expose(rng)


def chalk(rng, hand):
    return write_page(rng, hand).expose(rng, rng.uniform(30, 60), rng.uniform(180, 230), 4)


def pencil(rng, hand):
    return write_page(rng, hand).expose(rng, 225, 140, 3)


def shadow(rng, hand):
    sheet = write_page(rng, hand).expose(rng)
    light = np.linspace(1, rng.uniform(0.35, 0.7), sheet.picture.shape[1])
    return Sheet((sheet.picture * light).astype(np.uint8), sheet.digits)


def ruled(rng, hand):
    page = write_page(rng, hand)
    paper = np.full(page.ink.shape, 230.0)
    for base in (140, 280):
        paper[base - 4 : base - 2] = rng.uniform(130, 180)
    return page.expose(rng, paper, 40)


def table(rng, hand):
    """Numbers in the cells of a table whose lines don't reach the edge."""
    page = Page(420, 640)
    for row in range(4):
        for cell in range(3):
            left, base = 50 + 180 * cell, 106 + 90 * row
            page.write(rng, hand, pick(rng, 3), left, base, 46, 0.25)
    for row in range(5):
        cv2.line(page.ink, (30, 30 + 90 * row), (570, 30 + 90 * row), 255, 2)
    for cell in range(4):
        cv2.line(page.ink, (30 + 180 * cell, 30), (30 + 180 * cell, 390), 255, 2)
    return page.expose(rng)


def frame(rng, hand):
    """The frame of a canvas, or the dark edge of a scan."""
    page = write_alone(rng, hand) if rng.random() < 0.5 else write_page(rng, hand, lines=1)
    sheet, thick = page.expose(rng, noise=0), int(rng.integers(1, 4))
    level = int(rng.integers(0, 121))
    inner = sheet.picture[thick:-thick, thick:-thick]
    sheet.picture = cv2.copyMakeBorder(inner, *(thick,) * 4, cv2.BORDER_CONSTANT, value=level)
    return sheet


def paper(rng, hand):
    """A sheet on a darker desk, straight or seen from aside."""
    sheet = write_page(rng, hand).expose(rng)
    edge = rng.uniform(0.03, 0.2) * min(sheet.picture.shape)
    height, width = sheet.picture.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    tilt = rng.uniform(0, 0.5) * edge * (rng.random() < 0.6)
    moved = corners + np.float32(edge) + rng.uniform(-tilt, tilt, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    size = round(width + 2 * edge), round(height + 2 * edge)
    desk = rng.uniform(40, 110)
    picture = cv2.warpPerspective(sheet.picture, matrix, size, borderValue=desk)
    picture = picture + rng.normal(0, 3, picture.shape)
    digits = [(digit, move_box(box, matrix)) for digit, box in sheet.digits]
    return Sheet(picture.clip(0, 255).astype(np.uint8), digits)


def move_box(box: Box, matrix: np.ndarray) -> Box:
    left, top, width, height = box
    corners = [[left, top], [left + width, top], [left, top + height]]
    corners.append([left + width, top + height])
    moved = cv2.perspectiveTransform(np.array([corners], np.float32), matrix)
    return tuple(cv2.boundingRect(moved[0]))


def flush(rng, hand):
    """Cut so close that strokes lie on one to three edges."""
    page = write_alone(rng, hand, 150, [0, 2, 3, 4, 5, 6, 7, 8, 9])
    edge, (height, width) = 60, page.ink.shape
    cut = [edge if rng.random() < 0.5 else 0 for _ in range(4)]
    cut[int(rng.integers(4))] = 0
    page.ink = page.ink[cut[0] : height - cut[1], cut[2] : width - cut[3]]
    page.digits = [(d, (b[0] - cut[2], b[1] - cut[0], *b[2:])) for d, b in page.digits]
    return page.expose(rng)


def stems(rng, hand):
    """One digit with a straight upright stroke, thin, on a large empty ground."""
    digit, height = int(rng.choice([1, 4, 7, 9])), int(rng.integers(200, 330))
    page = Page(400, 680)
    pen = int(rng.integers(2, 7))
    left, top = int(rng.integers(100, 400)), int(rng.integers(20, 380 - height))
    shapes = {
        1: [[(0.1, 0), (0.1, 1)]],
        4: [[(0.3, 0), (0, 0.6), (0.6, 0.6)], [(0.45, 0.3), (0.45, 1)]],
        7: [[(0, 0), (0.5, 0), (0.3, 1)]],
        9: [arc(0.2, 0.22, 0.2, 0.22, 0, 360), [(0.4, 0.2), (0.4, 1)]],
    }
    ink = draw_paths([np.array(path, float) for path in shapes[digit]], height, pen)
    page.put(ink, left, top, digit)
    return page.expose(rng, noise=0)


def upright_ones(rng, hand):
    """A column of 1s, one exactly below the other, and a few other digits."""
    page = Page(1000, 300)
    for row in range(12):
        digit = 1 if rng.random() < 0.8 else int(rng.integers(10))
        ink = np.full((46, 4), 255, np.uint8) if digit == 1 else hand(rng, digit, 46)
        page.put(ink, 140, 40 + 78 * row, digit)
    return page.expose(rng)


def boxes(rng, hand):
    """A digit in each box of a form: apart, in a row, or a comb."""
    page, count = Page(240, 700), 5
    kind, pen, step = rng.choice(["apart", "row", "comb"]), int(rng.integers(1, 4)), 110
    size = 92 if kind == "apart" else step
    for place, digit in enumerate(pick(rng, count)):
        left = 60 + place * step
        if kind != "comb":
            cv2.rectangle(page.ink, (left, 60), (left + size, 170), 255, pen)
        ink = hand(rng, int(digit), int(rng.integers(58, 80)))
        shift = int(rng.integers(-6, 7))
        corner = left + (size - ink.shape[1]) // 2 + shift, 155 - len(ink) + shift
        page.put(ink, *corner, int(digit))
    if kind == "comb":
        cv2.line(page.ink, (60, 170), (60 + count * step, 170), 255, pen)
        for place in range(count + 1):
            cv2.line(page.ink, (60 + place * step, 110), (60 + place * step, 170), 255, pen)
    return page.expose(rng)


def squared(rng, hand):
    """Digits over two squares of squared paper, whose lines are paler, or as dark."""
    page, step = write_page(rng, hand), int(rng.integers(28, 44))
    sheet_paper = np.full(page.ink.shape, 235.0)
    level = rng.uniform(60, 190)
    for axis in (0, 1):
        for place in range(step // 2, page.ink.shape[axis], step):
            np.moveaxis(sheet_paper, axis, 0)[place : place + int(rng.integers(1, 3))] = level
    return page.expose(rng, sheet_paper, 40)


def underlined(rng, hand):
    """Lines of which a part is underlined, near or on the digits."""
    page = write_page(rng, hand, lines=3)
    for line in range(3):
        boxes = [box for _, box in page.digits[5 * line : 5 * line + 5]]
        first = int(rng.integers(0, 3))
        last = int(rng.integers(first + 1, 5))
        row = round((2 * line + 2) * 70) + int(rng.integers(4, 16))
        ends = boxes[first][0] - 8, boxes[last][0] + boxes[last][2] + 8
        cv2.line(page.ink, (ends[0], row), (ends[1], row + int(rng.integers(-3, 4))), 255, 3)
    return page.expose(rng)


def broken(rng, hand):
    """One digit whose stroke is broken once, as when a pen skips."""
    page = write_alone(rng, hand, 200)
    _, (_, top, _, height) = page.digits[0]
    row, gap = top + round(height * rng.uniform(0.25, 0.75)), int(rng.integers(2, 6))
    page.ink[row : row + gap] = 0
    return page.expose(rng)


def small_and_big(rng, hand):
    page = Page(400, 800)
    page.write(rng, hand, pick(rng, 5), 60, 180, 100)
    page.write(rng, hand, pick(rng, 5), int(rng.integers(60, 300)), 300, 32)
    return page.expose(rng)


def open_shapes(rng, hand):
    """A 0 open at the top, a 6 and a 9 whose loop is open."""
    shapes = {
        0: [arc(0.33, 0.5, 0.32, 0.5, -90 + rng.uniform(12, 35), 270 - rng.uniform(0, 15))],
        6: [np.vstack([[(0.5, 0), (0.1, 0.5)], arc(0.31, 0.71, 0.29, 0.29, 180, 490)])],
        9: [np.vstack([arc(0.3, 0.28, 0.29, 0.28, -40, -330), [(0.59, 0.2), (0.52, 1)]])],
    }
    digit = int(rng.choice(list(shapes)))
    page = Page(280, 280)
    pen = int(rng.integers(6, 20))
    page.put(draw_paths([np.array(p) for p in shapes[digit]], 180, pen), 70, 50, digit)
    return page.expose(rng)


def no_digits(rng, hand):
    """One thing that is no digit, alone."""
    thing = str(rng.choice(["/", "(", ")", "+", "disc", "ring", "*", "=", "A", "M", "x", "%"]))
    page = Page(260, 260)
    if thing == "disc":
        cv2.circle(page.ink, (130, 130), int(rng.integers(20, 70)), 255, -1, cv2.LINE_AA)
    elif thing == "ring":
        for row in (50, 130, 210):
            cv2.circle(page.ink, (30, row), 12, 255, 2, cv2.LINE_AA)
    else:
        page.put(print_text(rng, thing, int(rng.integers(90, 150))), 80, 50)
    return page.expose(rng)


def marks_between(rng, hand):
    """Digits with signs between and around them: 12+34, (56), 7/8, a line of 9 - 0."""
    page, left = Page(220, 760), 50
    text = str(rng.choice(["12+34", "(567)", "8/90", "21-43", "65,87", "09.12", "3=3"]))
    for sign in text:
        if sign.isdigit():
            left = page.write(rng, hand, [int(sign)], left, 150, 80)
            continue
        ink = print_text(rng, sign, 80) if sign in "+(/)" else None
        if sign == "+":
            ink = fit_height(ink, 50)
        if ink is not None:
            page.put(ink, left, 150 - len(ink))
        elif sign in "-=":
            for row in (100, 120) if sign == "=" else (110,):
                cv2.line(page.ink, (left, row), (left + 36, row), 255, 6)
        else:
            end = left + 8 - 6 * (sign == ","), 146 + 12 * (sign == ",")
            cv2.line(page.ink, (left + 8, 146), end, 255, 9)
        left += 36 + (0 if ink is None else ink.shape[1])
    return page.expose(rng)


def touching(rng, hand):
    """Two or three digits pushed together until they meet, among others that don't."""
    page = Page(220, 900)
    left = page.write(rng, hand, pick(rng, 2), 40, 150, 80)
    for place, digit in enumerate(pick(rng, int(rng.integers(2, 4)))):
        ink = hand(rng, int(digit), round(80 * rng.uniform(0.92, 1.08)))
        top = 150 - len(ink)
        if place:
            while not (page.ink[top : top + len(ink), left : left + ink.shape[1]] & ink).any():
                left -= 1
            left -= int(rng.integers(0, 4))
        page.put(ink, left, top, int(digit))
        left += ink.shape[1] + 4
    page.write(rng, hand, pick(rng, 2), left + 30, 150, 80)
    return page.expose(rng)


def overlapping(rng, hand):
    """Two or three digits, each written over a twentieth to a fifth of the one before it."""
    page = Page(220, 900)
    left = page.write(rng, hand, pick(rng, 2), 40, 150, 80)
    for place, digit in enumerate(pick(rng, int(rng.integers(2, 4)))):
        ink = hand(rng, int(digit), round(80 * rng.uniform(0.92, 1.08)))
        if place:
            before = page.digits[-1][1][2]
            left -= round(min(before, ink.shape[1]) * rng.uniform(0.05, 0.2))
        page.put(ink, left, 150 - len(ink), int(digit))
        left += ink.shape[1]
    page.write(rng, hand, pick(rng, 2), left + 30, 150, 80)
    return page.expose(rng)


def joined_zeros(rng, hand):
    """Two or three zeros in one stroke, which goes on from one's top to the next one's."""
    page = Page(220, 900)
    left = page.write(rng, hand, pick(rng, 2), 40, 150, 80)
    across, height = rng.uniform(0.24, 0.36), round(80 * rng.uniform(0.9, 1.1))
    gap, lean = rng.uniform(0.02, 0.35), rng.uniform(-0.1, 0.3)
    paths, count, dip = [], int(rng.integers(2, 4)), rng.uniform(-0.05, 0.15)
    for place in range(count):
        begin = -90 + rng.uniform(-25, 25)
        ring = arc(place * (2 * across + gap), 0.5, across, 0.5, begin, begin - 360)
        middle = [(ring[-1, 0] + across + gap / 2, 0.05 + dip)]
        paths += [ring, middle] if place < count - 1 else [ring]
    path = np.vstack(paths) + rng.normal(0, 0.008, (sum(map(len, paths)), 2))
    path = np.column_stack([path[:, 0] - lean * path[:, 1], path[:, 1]])
    ink = draw_paths([path], height, max(2, round(rng.uniform(0.05, 0.12) * height)))
    page.put(ink, left, 150 - len(ink))
    scale, first = ink.shape[1] / np.ptp(path[:, 0]), path[:, 0].min()
    for ring in paths[::2]:
        sides = ring[:, 0] - lean * ring[:, 1] - first
        span = round(scale * np.ptp(sides))
        box = left + round(scale * sides.min()), 150 - len(ink), span, len(ink)
        page.digits.append((0, box))
    page.write(rng, hand, pick(rng, 2), left + ink.shape[1] + 30, 150, 80)
    return page.expose(rng)


def turned(rng, hand):
    """A page upside down, or turned by 90 degrees."""
    sheet = write_page(rng, hand, lines=3, columns=6).expose(rng)
    return turn_sheet(sheet, int(rng.integers(1, 4)))


def turned_back(rng, hand):
    """The same, read with `--turn auto`."""
    return replace(turned(rng, hand), turn="auto")


def turn_sheet(sheet: Sheet, quarters: int) -> Sheet:
    digits = sheet.digits
    for quarter in range(quarters):
        width = sheet.picture.shape[1 - quarter % 2]
        digits = [(d, (b[1], width - b[0] - b[2], b[3], b[2])) for d, b in digits]
    return Sheet(np.rot90(sheet.picture, quarters).copy(), digits)


def stained(rng, hand):
    """The ring of a cup, or a stain, over some of the digits."""
    page = write_page(rng, hand, lines=3)
    paper = np.full(page.ink.shape, 235.0)
    centre = int(rng.integers(150, 400)), int(rng.integers(120, 350))
    radius, level = int(rng.integers(70, 120)), rng.uniform(120, 190)
    cv2.circle(paper, centre, radius, level, -1 if rng.random() < 0.5 else 9, cv2.LINE_AA)
    return page.expose(rng, cv2.GaussianBlur(paper, None, 2), 40)


KINDS: dict[str, Callable[[np.random.Generator, Hand], Sheet]] = {
    "plain": plain,
    "column": column,
    "chalk": chalk,
    "pencil": pencil,
    "shadow": shadow,
    "ruled paper": ruled,
    "table": table,
    "frame at the edge": frame,
    "paper on a desk": paper,
    "strokes flush with an edge": flush,
    "thin straight stems": stems,
    "columns of upright 1s": upright_ones,
    "boxes and combs": boxes,
    "squared paper": squared,
    "underlined in part": underlined,
    "broken once": broken,
    "small beside big": small_and_big,
    "open shapes": open_shapes,
    "what is no digit": no_digits,
    "signs between": marks_between,
    "touching": touching,
    "overlapping": overlapping,
    "zeros in one stroke": joined_zeros,
    "amounts on waves": make_kind(waves),
    "amounts on crossed lines": make_kind(crossed),
    "amounts on guilloches": make_kind(guilloche),
    "amounts on dots": make_kind(dotted),
    "turned": turned,
    "turned, --turn auto": turned_back,
    "stained": stained,
}
