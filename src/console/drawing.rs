//! Where boxes and lines of a graph go on paper: in layers from left to right, as few crossings as a few looks find.
//!
//! After Sugiyama, Tagawa and Toda (1981): take the edges that go back out, put each node behind all that lead to it, let long
//! edges bend once per layer, order the layers by where their neighbours are, and shift what is askew. The same graph gives the
//! same picture.

use super::layering::{depths, going_back};
use std::collections::VecDeque;

/// Sizes in pixels.
pub(super) const BOX_WIDTH: i64 = 176;
pub(super) const BOX_HEIGHT: i64 = 42;
/// Between layers there is room for a number on each line.
const BETWEEN_LAYERS: i64 = 92;
const BETWEEN_BOXES: i64 = 16;
const BEND_HEIGHT: i64 = 10;
const BETWEEN_PARTS: i64 = 30;
const MARGIN: i64 = 8;
/// Parts of the graph that have nothing to do with each other stand side by side up to here.
const WIDTH_WANTED: i64 = 1_080;
/// Looks at the order of all layers, and shifts; of what has very many points fewer, since each takes its time.
const SWEEPS: usize = 8;
const SWEEPS_OF_MANY: usize = 2;
const MANY: usize = 1_500;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Drawing {
    pub(super) width: i64,
    pub(super) height: i64,
    /// The upper left corner of each node's box.
    pub(super) boxes: Vec<(i64, i64)>,
    pub(super) lines: Vec<Line>,
}

/// What an edge looks like; the paths are of SVG.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) path: String,
    pub(super) arrow: String,
    /// Where a number stands: nearer to where the edge comes from.
    pub(super) label: (i64, i64),
}

/// Draws `nodes` with edges between their places.
pub(super) fn drawn(nodes: usize, edges: &[(usize, usize)]) -> Drawing {
    let mut drawing =
        Drawing { boxes: vec![(0, 0); nodes], lines: vec![Line::default(); edges.len()], ..Drawing::default() };
    let (mut left, mut top, mut bottom) = (MARGIN, MARGIN, MARGIN);
    for part in parts(nodes, edges) {
        let layers = Layers::of(&part, edges);
        let (width, height) = layers.size();
        if left > MARGIN && left + width > WIDTH_WANTED {
            (left, top) = (MARGIN, bottom + BETWEEN_PARTS);
        }
        layers.put(&mut drawing, (left, top));
        drawing.width = drawing.width.max(left + width + MARGIN);
        bottom = bottom.max(top + height);
        left += width + BETWEEN_PARTS;
    }
    drawing.height = bottom + MARGIN;
    drawing
}

/// Nodes, and edges by their numbers, that have to do with each other.
struct Part {
    nodes: Vec<usize>,
    edges: Vec<usize>,
}

fn parts(nodes: usize, edges: &[(usize, usize)]) -> Vec<Part> {
    let mut beside = vec![Vec::new(); nodes];
    for (from, to) in edges {
        beside[*from].push(*to);
        beside[*to].push(*from);
    }
    let mut part_of = vec![usize::MAX; nodes];
    let mut parts: Vec<Part> = Vec::new();
    for first in 0..nodes {
        if part_of[first] != usize::MAX {
            continue;
        }
        let mut queue = VecDeque::from([first]);
        part_of[first] = parts.len();
        while let Some(node) = queue.pop_front() {
            for next in &beside[node] {
                if part_of[*next] == usize::MAX {
                    part_of[*next] = parts.len();
                    queue.push_back(*next);
                }
            }
        }
        parts.push(Part { nodes: Vec::new(), edges: Vec::new() });
    }
    for (node, part) in part_of.iter().enumerate() {
        parts[*part].nodes.push(node);
    }
    for (number, (from, _)) in edges.iter().enumerate() {
        parts[part_of[*from]].edges.push(number);
    }
    parts
}

/// A box, or where a long edge goes past a layer.
struct Point {
    layer: usize,
    y: i64,
    height: i64,
    before: Vec<usize>,
    behind: Vec<usize>,
}

/// An edge from left to right through points.
struct Way {
    /// Its number in the drawing.
    edge: usize,
    points: Vec<usize>,
    /// Whether it goes from right to left.
    goes_back: bool,
}

/// A part with each point in its layer.
struct Layers {
    /// Boxes come first, in the order of the nodes.
    points: Vec<Point>,
    nodes: Vec<usize>,
    /// Points from top to bottom.
    layers: Vec<Vec<usize>>,
    ways: Vec<Way>,
}

impl Layers {
    fn of(part: &Part, edges: &[(usize, usize)]) -> Layers {
        let place = |node: usize| part.nodes.binary_search(&node).unwrap_or(0);
        let inside: Vec<(usize, usize)> =
            part.edges.iter().map(|number| (place(edges[*number].0), place(edges[*number].1))).collect();
        let goes_back = going_back(part.nodes.len(), &inside);
        let onward: Vec<(usize, usize)> = inside
            .iter()
            .zip(&goes_back)
            .map(|((from, to), back)| if *back { (*to, *from) } else { (*from, *to) })
            .collect();
        let of_layer = depths(part.nodes.len(), &onward);
        let point = |layer: usize, height: i64| Point { layer, y: 0, height, before: Vec::new(), behind: Vec::new() };
        let mut points: Vec<Point> = of_layer.iter().map(|layer| point(*layer, BOX_HEIGHT)).collect();
        let mut ways = Vec::new();
        for (number, (from, to)) in onward.iter().enumerate() {
            let mut way = vec![*from];
            for layer in of_layer[*from] + 1..of_layer[*to] {
                points.push(point(layer, BEND_HEIGHT));
                way.push(points.len() - 1);
            }
            way.push(*to);
            for pair in way.windows(2) {
                points[pair[0]].behind.push(pair[1]);
                points[pair[1]].before.push(pair[0]);
            }
            ways.push(Way { edge: part.edges[number], points: way, goes_back: goes_back[number] });
        }
        let mut layers = vec![Vec::new(); points.iter().map(|point| point.layer + 1).max().unwrap_or(0)];
        points.iter().enumerate().for_each(|(number, point)| layers[point.layer].push(number));
        let mut layers = Layers { points, nodes: part.nodes.clone(), layers, ways };
        layers.order();
        layers.shift();
        layers
    }

    fn sweeps(&self) -> usize {
        if self.points.len() > MANY { SWEEPS_OF_MANY } else { SWEEPS }
    }

    /// Sorts each layer by where the neighbours of its points are, and keeps the order that crossed least.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..self.sweeps() {
            let onward = sweep % 2 == 0;
            let mut position = vec![0; self.points.len()];
            let numbers: Vec<usize> =
                if onward { (0..self.layers.len()).collect() } else { (0..self.layers.len()).rev().collect() };
            for number in numbers {
                let mut layer = std::mem::take(&mut self.layers[number]);
                layer.iter().enumerate().for_each(|(place, point)| position[*point] = place * 1_000);
                let mean = |point: &usize| {
                    let point_of = &self.points[*point];
                    let beside = if onward { &point_of.before } else { &point_of.behind };
                    let sum: usize = beside.iter().map(|neighbour| position[*neighbour]).sum();
                    sum.checked_div(beside.len()).unwrap_or(position[*point])
                };
                layer.sort_by_cached_key(mean);
                layer.iter().enumerate().for_each(|(place, point)| position[*point] = place * 1_000);
                self.layers[number] = layer;
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn crossings(&self) -> usize {
        let mut position = vec![0; self.points.len()];
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(place, point)| position[*point] = place);
        }
        let mut crossings = 0;
        for layer in &self.layers {
            let behind =
                |point: &usize| self.points[*point].behind.iter().map(|next| position[*next]).collect::<Vec<_>>();
            let segments: Vec<Vec<usize>> = layer.iter().map(behind).collect();
            for (place, above) in segments.iter().enumerate() {
                for below in segments[place + 1..].iter().flatten() {
                    crossings += above.iter().filter(|end| *end > below).count();
                }
            }
        }
        crossings
    }

    /// Moves points towards their neighbours, as far as those above and below leave room.
    fn shift(&mut self) {
        for layer in &self.layers {
            let mut y = 0;
            for point in layer {
                self.points[*point].y = y;
                y += self.points[*point].height + BETWEEN_BOXES;
            }
        }
        for sweep in 0..self.sweeps() {
            let onward = sweep % 2 == 0;
            let numbers = 0..self.layers.len();
            let numbers: Vec<usize> = if onward { numbers.collect() } else { numbers.rev().collect() };
            for number in numbers {
                self.shift_layer(number);
            }
        }
        let top = self.points.iter().map(|point| point.y).min().unwrap_or(0);
        self.points.iter_mut().for_each(|point| point.y -= top);
    }

    fn shift_layer(&mut self, number: usize) {
        let layer = &self.layers[number];
        let wanted: Vec<i64> = layer
            .iter()
            .map(|point| {
                let point = &self.points[*point];
                let beside = point.before.iter().chain(&point.behind);
                let centres: Vec<i64> = beside.map(|other| self.centre(*other)).collect();
                match i64::try_from(centres.len()) {
                    Ok(0) | Err(_) => point.y,
                    Ok(count) => centres.iter().sum::<i64>() / count - point.height / 2,
                }
            })
            .collect();
        let (mut lowest, mut off) = (i64::MIN, 0);
        let mut placed = Vec::with_capacity(layer.len());
        for (point, wanted) in layer.iter().zip(&wanted) {
            let y = (*wanted).max(lowest);
            off += wanted - y;
            lowest = y + self.points[*point].height + BETWEEN_BOXES;
            placed.push(y);
        }
        // What was pushed down pulls all of them up, so that none is favoured.
        let off = off / i64::try_from(layer.len().max(1)).unwrap_or(1);
        for (point, y) in layer.clone().into_iter().zip(placed) {
            self.points[point].y = y + off;
        }
    }

    fn centre(&self, point: usize) -> i64 {
        self.points[point].y + self.points[point].height / 2
    }

    fn size(&self) -> (i64, i64) {
        let layers = i64::try_from(self.layers.len()).unwrap_or(0);
        let height = self.points.iter().map(|point| point.y + point.height).max().unwrap_or(0);
        (layers * (BOX_WIDTH + BETWEEN_LAYERS) - BETWEEN_LAYERS, height)
    }

    fn put(&self, drawing: &mut Drawing, (left, top): (i64, i64)) {
        let x =
            |point: usize| left + i64::try_from(self.points[point].layer).unwrap_or(0) * (BOX_WIDTH + BETWEEN_LAYERS);
        for (point, node) in self.nodes.iter().enumerate() {
            drawing.boxes[*node] = (x(point), top + self.points[point].y);
        }
        let (begins, ends) = (self.ports(true), self.ports(false));
        for (number, way) in self.ways.iter().enumerate() {
            let last = way.points.len() - 1;
            let y = |place: usize| match place {
                0 => top + begins[number],
                place if place == last => top + ends[number],
                place => top + self.centre(way.points[place]),
            };
            // Each curve goes from the right of one column to the left of the next.
            let curves: Vec<Curve> = (0..last)
                .map(|place| Curve {
                    from: (x(way.points[place]) + BOX_WIDTH, y(place)),
                    to: (x(way.points[place + 1]), y(place + 1)),
                })
                .collect();
            drawing.lines[way.edge] = line(&curves, way.goes_back);
        }
    }

    /// For each way where it leaves, or reaches, its box: those of one box stand in the order of where they go.
    fn ports(&self, leaving: bool) -> Vec<i64> {
        let mut at = vec![Vec::new(); self.nodes.len()];
        for (number, way) in self.ways.iter().enumerate() {
            let (here, next) = match way.points.as_slice() {
                [first, second, ..] if leaving => (*first, *second),
                [.., before, last] => (*last, *before),
                _ => continue,
            };
            at[here].push((self.centre(next), number));
        }
        let mut ports = vec![0; self.ways.len()];
        for (point, mut ways) in at.into_iter().enumerate() {
            ways.sort_unstable();
            let count = i64::try_from(ways.len()).unwrap_or(1);
            let apart = if count > 1 { ((BOX_HEIGHT - 14) / (count - 1)).min(13) } else { 0 };
            let mut y = self.centre(point) - apart * (count - 1) / 2;
            for (_, number) in ways {
                ports[number] = y;
                y += apart;
            }
        }
        ports
    }
}

struct Curve {
    from: (i64, i64),
    to: (i64, i64),
}

fn line(curves: &[Curve], goes_back: bool) -> Line {
    use std::fmt::Write as _;
    let (Some(first), Some(last)) = (curves.first(), curves.last()) else { return Line::default() };
    let mut path = format!("M{} {}", first.from.0, first.from.1);
    for curve in curves {
        let middle = i64::midpoint(curve.from.0, curve.to.0);
        let (from, to) = (curve.from, curve.to);
        // Writing into a text does not fail.
        let _ = write!(path, "H{}C{middle} {} {middle} {} {} {}", from.0, from.1, to.1, to.0, to.1);
    }
    let (tip, back) = if goes_back { (first.from, 7) } else { (last.to, -7) };
    let arrow = format!("M{} {}L{} {}L{} {}Z", tip.0 + back, tip.1 - 4, tip.0, tip.1, tip.0 + back, tip.1 + 4);
    // A third of the way along the curve on which it leaves.
    let (near, far) = if goes_back { (last.to, last.from) } else { (first.from, first.to) };
    let label = ((17 * near.0 + 10 * far.0) / 27, (20 * near.1 + 7 * far.1) / 27);
    Line { path, arrow, label }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether no two boxes touch, and all of them lie on the paper.
    #[track_caller]
    fn is_clean(drawing: &Drawing) {
        for (place, (x, y)) in drawing.boxes.iter().enumerate() {
            let (right, bottom) = (x + BOX_WIDTH, y + BOX_HEIGHT);
            assert!(*x >= 0 && *y >= 0 && right <= drawing.width && bottom <= drawing.height, "{drawing:?}");
            for (other_x, other_y) in &drawing.boxes[place + 1..] {
                let apart =
                    *other_x >= right || *x >= other_x + BOX_WIDTH || *other_y >= bottom || *y >= other_y + BOX_HEIGHT;
                assert!(apart, "{place} lies on another: {drawing:?}");
            }
        }
        for line in &drawing.lines {
            assert!(line.path.starts_with('M') && line.path.contains('C') && line.arrow.ends_with('Z'), "{line:?}");
            assert!(
                (0..=drawing.width).contains(&line.label.0) && (0..=drawing.height).contains(&line.label.1),
                "{line:?}"
            );
        }
    }

    #[test]
    fn what_follows_stands_to_the_right_and_what_goes_back_keeps_its_direction() {
        let drawing = drawn(4, &[(0, 1), (1, 2), (2, 0), (1, 3), (0, 3)]);
        is_clean(&drawing);
        let x: Vec<i64> = drawing.boxes.iter().map(|(x, _)| *x).collect();
        assert!(x[0] < x[1] && x[1] < x[2] && x[2] == x[3], "{x:?}");
        // The arrow of the edge that goes back points at the first box's right side.
        let tip = |place: usize| {
            let (_, behind) = drawing.lines[place].arrow.split_once('L').unwrap();
            behind.split(' ').next().unwrap().parse::<i64>().unwrap()
        };
        assert_eq!((tip(0), tip(2)), (x[1], x[0] + BOX_WIDTH));
        assert!(drawing.lines[4].path.matches('C').count() == 2, "a long edge bends at the layer it passes");
    }

    #[test]
    fn parts_stand_side_by_side_as_far_as_the_paper_goes() {
        let pairs: Vec<(usize, usize)> = (0..5).map(|pair| (2 * pair, 2 * pair + 1)).collect();
        let drawing = drawn(11, &pairs);
        is_clean(&drawing);
        assert!(drawing.width <= WIDTH_WANTED + 2 * MARGIN, "{drawing:?}");
        let rows: std::collections::BTreeSet<i64> = drawing.boxes.iter().map(|(_, y)| *y).collect();
        assert!((2..=4).contains(&rows.len()), "{rows:?}");
        assert_eq!(drawn(0, &[]), Drawing { width: 0, height: 2 * MARGIN, ..Drawing::default() });
    }

    #[test]
    fn crossings_are_taken_out_where_a_look_finds_how() {
        // Drawn in the order of their numbers, all of these would cross.
        let drawing = drawn(8, &[(0, 7), (1, 6), (2, 5), (3, 4), (0, 6), (1, 5), (2, 4)]);
        is_clean(&drawing);
        let y = |place: usize| drawing.boxes[place].1;
        let edges = [(0, 7), (1, 6), (2, 5), (3, 4), (0, 6), (1, 5), (2, 4)];
        let crossed = edges.iter().flat_map(|one| edges.iter().map(move |other| (one, other)));
        let crossed = crossed.filter(|(one, other)| y(one.0) < y(other.0) && y(one.1) > y(other.1)).count();
        assert_eq!(crossed, 0, "{drawing:?}");
    }

    #[test]
    fn any_graph_is_drawn_and_always_the_same_way() {
        let mut random = 3_usize;
        for round in 0..150 {
            let mut draw = |below: usize| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let nodes = 2 + draw(30);
            let edges: Vec<(usize, usize)> =
                (0..draw(60)).map(|_| (draw(nodes), draw(nodes))).filter(|(a, b)| a != b).collect();
            let drawing = drawn(nodes, &edges);
            is_clean(&drawing);
            assert_eq!(drawing, drawn(nodes, &edges), "round {round}");
        }
    }

    /// The most that the page asks for, tied together as badly as can be.
    #[test]
    fn two_hundred_boxes_are_drawn_at_once() {
        let edges: Vec<(usize, usize)> =
            (0..100).flat_map(|from| (0..5).map(move |step| (from, 100 + (from * 7 + step * 31) % 100))).collect();
        let back = (0..100).map(|to| (100 + to, (to * 13 + 1) % 100));
        let edges: Vec<(usize, usize)> = edges.into_iter().chain(back).collect();
        let started = std::time::Instant::now();
        is_clean(&drawn(200, &edges));
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
