/** Owns what stands in for the host of an HTTP/1.0 request, which need not name one; only its path is read. */
export const ANY_HOST = "http://localhost";
