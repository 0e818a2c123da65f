//! In which layer of a drawing each node of a graph stands: first what goes back is turned round, then all goes one way.

use std::collections::VecDeque;

/// Which edges to turn round so that nothing leads back, found by walking from what nothing leads to, then from the others.
pub(super) fn going_back(nodes: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    let (mut out, mut is_target) = (vec![Vec::new(); nodes], vec![false; nodes]);
    for (number, (from, to)) in edges.iter().enumerate() {
        out[*from].push(number);
        is_target[*to] = true;
    }
    let (mut is_seen, mut is_open, mut goes_back) = (vec![false; nodes], vec![false; nodes], vec![false; edges.len()]);
    let sources = (0..nodes).filter(|node| !is_target[*node]);
    for root in sources.chain(0..nodes) {
        let mut way = vec![(root, 0)];
        while let Some((node, tried)) = way.pop() {
            if tried == 0 {
                if is_seen[node] {
                    continue;
                }
                (is_seen[node], is_open[node]) = (true, true);
            }
            let Some(number) = out[node].get(tried) else {
                is_open[node] = false;
                continue;
            };
            way.push((node, tried + 1));
            let (_, next) = edges[*number];
            if is_open[next] {
                goes_back[*number] = true;
            } else {
                way.push((next, 0));
            }
        }
    }
    goes_back
}

/// The layer of each node: behind all that lead to it, and what nothing leads to right before what it leads to.
pub(super) fn depths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut out, mut missing) = (vec![Vec::new(); nodes], vec![0_usize; nodes]);
    for (from, to) in edges {
        out[*from].push(*to);
        missing[*to] += 1;
    }
    let sources: Vec<usize> = (0..nodes).filter(|node| missing[*node] == 0).collect();
    let (mut queue, mut depths) = (VecDeque::from(sources.clone()), vec![0_usize; nodes]);
    while let Some(node) = queue.pop_front() {
        for next in &out[node] {
            depths[*next] = depths[*next].max(depths[node] + 1);
            missing[*next] -= 1;
            if missing[*next] == 0 {
                queue.push_back(*next);
            }
        }
    }
    for node in sources {
        let nearest = out[node].iter().map(|next| depths[*next]).min();
        depths[node] = nearest.map_or(0, |nearest| nearest.saturating_sub(1));
    }
    depths
}
