// What is due next in a class that goes step by step. A pure function.

/**
 * The next step: {link}, a session on this link; {commit}, the label of the replica that commits; or {why}, why nothing
 * is due. The links take turns: the round goes on after the link with the number `last`. A link is due if its ends hold
 * different writes. If none is, the primary commits what is tentative there.
 *
 * `links` are {number, one, other, up}, in their order. `states` is a Map from the label of each replica that answers to
 * its state.
 */
export function nextDue(links, states, last) {
  const round = [...links.filter(({ number }) => number > last), ...links.filter(({ number }) => number <= last)];
  const link = round.find(({ one, other, up }) => up && differ(states.get(one), states.get(other)));
  if (link) return { link };
  const primary = [...states.values()].find((state) => state.primary.here);
  if (!primary) return { why: "Nothing is due: no primary answers, and replicas that are linked hold the same writes." };
  if (primary.tentative) return { commit: primary.label };
  return { why: "Nothing is due: replicas that are linked hold the same writes, and nothing is tentative at the primary." };
}

/** Whether two replicas that answer hold different writes or commits. */
function differ(one, other) {
  return one !== undefined && other !== undefined && heldBy(one) !== heldBy(other);
}

function heldBy({ vectors, csn, history }) {
  return JSON.stringify([Object.entries(vectors.V).sort(), csn, history]);
}
