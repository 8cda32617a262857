//! The word that somebody may have meant.

/// The candidate closest to `word` by edit distance, case ignored, if it is close at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 40;
    if word.len() > LONGEST {
        return None;
    }
    let bound = word.len().div_ceil(3).min(3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= bound)
        .map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters of two short words are replaced, inserted, left out or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let same = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(!same(i, j));
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j) {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_found_and_others_not() {
        let find = |word| nearest(word, ["SSH", "HTTPS", "OPTIONS"].into_iter());
        assert_eq!(find("ssh"), Some("SSH"));
        assert_eq!(find("OPTION"), Some("OPTIONS"));
        assert_eq!(find("HTPS"), Some("HTTPS"));
        assert_eq!(find("hs"), None);
        assert_eq!(nearest("tpc", ["fc", "tcp"].into_iter()), Some("tcp"));
        assert_eq!(find("qqqq"), None);
        assert_eq!(find(&"x".repeat(1 << 20)), None);
    }
}
