/** Bytes of request bodies that are in hand at one time, over all requests that share it. */
export type Budget = {
  /** One request's part of it, of whom the request comes from. */
  share(peer: string): Share;
};

export type Share = {
  /** False when they would be too many. */
  take(bytes: number): boolean;
  /** Gives all of it back. */
  end(): void;
};

/** `perPeer`: how much of it one address may have in hand. */
export function createBudget(mostBytes: number, perPeer = Infinity): Budget {
  let inHand = 0;
  const peers = new Map<string, number>();
  return {
    share(peer) {
      let own = 0;
      return {
        take(bytes) {
          const ofPeer = peers.get(peer) ?? 0;
          // One request alone always gets in: its own limit is for its source to say.
          if ((inHand > own && inHand + bytes > mostBytes) || (ofPeer > own && ofPeer + bytes > perPeer)) return false;
          own += bytes;
          inHand += bytes;
          peers.set(peer, ofPeer + bytes);
          return true;
        },
        end() {
          const left = (peers.get(peer) ?? 0) - own;
          if (left > 0) peers.set(peer, left);
          else peers.delete(peer);
          inHand -= own;
          own = 0;
        },
      };
    },
  };
}
