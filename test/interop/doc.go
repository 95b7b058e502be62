// Interop calls a hub with clients that are not ours: SIPp, baresip, a browser,
// and Kamailio in between. Our own phones at the other end hear tones, so
// that what passes is known to be audible.
package main
