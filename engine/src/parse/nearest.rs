//! The word that somebody may have meant.

/// The candidate closest to `word` by edit distance, case ignored, if it is close at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 40;
    if word.len() > LONGEST {
        return None;
    }
    let bound = word.len().div_ceil(3).min(3);
    candidates
        .map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance of two short words.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
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
        assert_eq!(find("qqqq"), None);
        assert_eq!(find(&"x".repeat(1 << 20)), None);
    }
}
