import cv2
import numpy as np
import pytest

from digitflow.images.borders import clear_borders


@pytest.fixture
def drawing():
    page = np.full((240, 320), 235, np.uint8)
    for place, digit in enumerate("573"):
        cv2.putText(page, digit, (40 + 80 * place, 160), 0, 3, 40, 9, cv2.LINE_AA)
    return page


@pytest.mark.parametrize("thick", [1, 3, 8])
@pytest.mark.parametrize("level", [0, 120])
def test_the_frame_of_a_canvas_is_painted_over(drawing, thick, level):
    framed = drawing.copy()
    framed[:thick] = framed[-thick:] = level
    framed[:, :thick] = framed[:, -thick:] = level
    cleared, borders = clear_borders(framed)
    np.testing.assert_array_equal(cleared, drawing)
    assert borders == [(0, 0, 320, 240)]


def test_a_line_along_one_edge_is_painted_over(drawing):
    lined = drawing.copy()
    lined[:, -2:] = 30
    np.testing.assert_array_equal(clear_borders(lined)[0], drawing)


def test_the_frame_of_a_blackboard_is_bright(drawing):
    framed = cv2.copyMakeBorder(255 - drawing, *(3,) * 4, cv2.BORDER_CONSTANT, value=250)
    assert clear_borders(framed)[0].max() < 225


@pytest.mark.parametrize("tilt", [0, 6, 14])
@pytest.mark.parametrize("desk", [40, 110])
def test_a_desk_around_a_sheet_becomes_paper(drawing, tilt, desk):
    corners = np.array([[0, 0], [320, 0], [320, 240], [0, 240]], np.float32)
    moved = corners + 30 + tilt * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    photo = cv2.warpPerspective(drawing, matrix, (380, 300), borderValue=desk)
    cleared, borders = clear_borders(photo)
    inside = cv2.warpPerspective(np.full_like(drawing, 255), matrix, (380, 300)) > 128
    assert borders == [(0, 0, 380, 300)]
    assert np.abs(cleared[~inside].astype(int) - 235).max() < 12
    digits = cv2.erode((photo < 90).astype(np.uint8) & inside, np.ones((3, 3))) > 0
    np.testing.assert_array_equal(cleared[digits], photo[digits])


def shade(page, course):
    return (page * np.interp(np.arange(page.shape[1]), *course)).astype(np.uint8)


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda page: page, id="nothing around"),
        pytest.param(lambda page: shade(page, ([0, 320], [1, 0.3])), id="a shadow"),
        pytest.param(lambda page: shade(page, ([150, 160], [1, 0.4])), id="a hard shadow"),
        pytest.param(lambda page: page[56:165, 30:272], id="cut close"),
        pytest.param(lambda page: page[56:165, 112:190], id="one digit, cut close"),
    ],
)
def test_what_has_nothing_around_stays_as_it_is(drawing, alter):
    picture = alter(drawing)
    cleared, borders = clear_borders(picture)
    np.testing.assert_array_equal(cleared, picture)
    assert borders == []


def test_a_thick_stroke_along_an_edge_is_no_frame():
    seven = np.full((160, 110), 255, np.uint8)
    seven[:16] = 0
    cv2.line(seven, (100, 8), (35, 150), 0, 16)
    np.testing.assert_array_equal(clear_borders(seven)[0], seven)
