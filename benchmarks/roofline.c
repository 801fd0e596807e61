/* The roofline: noisy SGD of the reference experiment (matrix unit, sigmoid, C_2), written for the machine.

   Particles lie in blocks of L lanes, one row per parameter: parameter k of lane l of block b is z[(4 b + k) L + l].
   Lanes past the last particle are kept at 0, where every unit gives 1/2: known, so it is subtracted.
   Noise is that of mfsym.streams, bit for bit in its words: Philox4x32-10 on (index, pair, step), then Box-Muller.

   gcc -O3 -march=native -ffast-math -shared -fPIC */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GROUP 128 /* rows of noise served by LANES counters */
#define LANES 64
#define MOST 64 /* lifted samples of a step, at most */
#define AT_ONCE 4 /* samples per pass over a row */

enum scheme { VANILLA, DA, DA_SAMPLED, FA, EA };

typedef struct {
    int64_t n, lanes, blocks, batch;
    int64_t scheme, kept; /* kept: the forward pass leaves its slopes in the tape; otherwise it is run again */
    float rate, penalty, amplitude;
    uint32_t key[2];
} Problem;

static inline float from_bits(int32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline int32_t to_bits(float value) {
    int32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/* 1 / (1 + e^-a) = 1 / (1 + 2^(k + f)), |f| <= 1/2: 2^f = (q + f) / (q - f) with q = f coth(f log(2) / 2), even in f;
   2^k by the exponent's bits. |a| < 87: here particles stay small, and nothing is clamped. */
static inline float sigmoid(float a) {
    float t = a * -1.4426950408889634f;
    float k = rintf(t), f = t - k, f2 = f * f;
    float q = -0.00092045379f;
    q = q * f2 + 0.11552395347f;
    q = q * f2 + 2.8853900998f;
    float lower = q - f, upper = from_bits(to_bits(q + f) + ((int32_t)k << 23));
    return lower / (lower + upper);
}

static inline void philox(uint64_t *c0, uint64_t *c1, uint64_t *c2, uint64_t *c3, uint64_t k0, uint64_t k1) {
    const uint64_t word = 0xFFFFFFFFu;
    for (int round = 0; round < 10; round++) {
        uint64_t low = *c0 * 0xD2511F53u, high = *c2 * 0xCD9E8D57u;
        *c0 = (high >> 32) ^ *c1 ^ k0;
        *c1 = high & word;
        *c2 = (low >> 32) ^ *c3 ^ k1;
        *c3 = low & word;
        k0 = (k0 + 0x9E3779B9u) & word;
        k1 = (k1 + 0xBB67AE85u) & word;
    }
}

static inline void box_muller(uint32_t a, uint32_t b, float *x, float *y) {
    float u = (float)a * 0x1p-32f + 0x1p-33f;
    int32_t shift = (to_bits(u) - 0x3F2AAAAB) >> 23;
    float f = from_bits(to_bits(u) - (int32_t)((uint32_t)shift << 23)) - 1.0f;
    float q = 0.137483091395326f;
    q = q * f - 0.153942717531491f;
    q = q * f + 0.140558126531333f;
    q = q * f - 0.164145204078812f;
    q = q * f + 0.200072339849172f;
    q = q * f - 0.250079317123341f;
    q = q * f + 0.333332726197199f;
    q = q * f - 0.499999334372826f;
    q = q * f + 1.0f;
    float radius = sqrtf(-2.0f * ((float)shift * 0.693147180559945f + q * f));
    uint32_t quadrant = (b + 0x20000000u) >> 30;
    float t = (float)(int32_t)(b << 2) * 3.6572951981e-10f, t2 = t * t;
    float sine = -0.00019503904250840799f;
    sine = sine * t2 + 0.0083320357855973083f;
    sine = sine * t2 - 0.16666650673996773f;
    sine = (sine * t2 + 0.99999999691770356f) * t;
    float cosine = -0.0013585779264842408f;
    cosine = cosine * t2 + 0.041655014924883755f;
    cosine = cosine * t2 - 0.49999856419182183f;
    cosine = cosine * t2 + 0.99999997232849431f;
    float first = quadrant & 1 ? sine : cosine, second = quadrant & 1 ? cosine : sine;
    *x = radius * ((quadrant + 1) & 2 ? -first : first);
    *y = radius * (quadrant & 2 ? -second : second);
}

/* Coordinates 2 pair and 2 pair + 1 of the rows GROUP group ... : x and y, GROUP numbers each. */
static void normal_group(const uint32_t *key, uint64_t step, uint64_t group, uint64_t pair, float *x, float *y) {
    uint32_t words[4][LANES];
    for (uint64_t lane = 0; lane < LANES; lane++) {
        uint64_t c0 = group * LANES + lane, c1 = pair, c2 = step & 0xFFFFFFFFu, c3 = step >> 32;
        philox(&c0, &c1, &c2, &c3, key[0], key[1]);
        words[0][lane] = c0;
        words[1][lane] = c1;
        words[2][lane] = c2;
        words[3][lane] = c3;
    }
    for (int lane = 0; lane < LANES; lane++) box_muller(words[0][lane], words[1][lane], x + lane, y + lane);
    for (int lane = 0; lane < LANES; lane++)
        box_muller(words[2][lane], words[3][lane], x + LANES + lane, y + LANES + lane);
}

/* Normals out (2 pairs, rows): rows a multiple of GROUP. */
void fill_normals(const uint32_t *key, int64_t step, int64_t first_group, int64_t pairs, int64_t rows, float *out) {
    for (int64_t group = 0; group < rows / GROUP; group++)
        for (int64_t pair = 0; pair < pairs; pair++) {
            float *at = out + 2 * pair * rows + group * GROUP;
            normal_group(key, step, first_group + group, pair, at, at + rows);
        }
}

/* Inputs x (count, 2) ~ N(0, scale^2) and targets y (count, 2) of a teacher with particles (units, 4).
   scratch : 4 * count floats, count a multiple of GROUP. */
void draw_data(const uint32_t *key, int64_t step, int64_t count, float scale, const float *teacher, int64_t units,
               float *scratch, float *x, float *y) {
    float *x0 = scratch, *x1 = scratch + count, *y0 = x1 + count, *y1 = y0 + count;
    fill_normals(key, step, 0, 1, count, scratch);
    for (int64_t i = 0; i < count; i++) {
        x0[i] *= scale;
        x1[i] *= scale;
        y0[i] = y1[i] = 0.0f;
    }
    for (int64_t unit = 0; unit < units; unit++) {
        const float *w = teacher + 4 * unit;
        for (int64_t i = 0; i < count; i++) {
            y0[i] += sigmoid(w[0] * x0[i] + w[1] * x1[i]) / units;
            y1[i] += sigmoid(w[2] * x0[i] + w[3] * x1[i]) / units;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        x[2 * i] = x0[i];
        x[2 * i + 1] = x1[i];
        y[2 * i] = y0[i];
        y[2 * i + 1] = y1[i];
    }
}

/* Slopes s'(a_m) of AT_ONCE samples over one output's two rows of parameters; returns the sums of s in sums. */
static inline __attribute__((always_inline)) void slopes(const float *restrict z0, const float *restrict z1, int64_t L,
                                                         const float *x, float *restrict tape, float *sums) {
    float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    float x00 = x[0], x01 = x[1], x10 = x[2], x11 = x[3], x20 = x[4], x21 = x[5], x30 = x[6], x31 = x[7];
    for (int64_t i = 0; i < L; i++) {
        float s0 = sigmoid(z0[i] * x00 + z1[i] * x01), s1 = sigmoid(z0[i] * x10 + z1[i] * x11);
        float s2 = sigmoid(z0[i] * x20 + z1[i] * x21), s3 = sigmoid(z0[i] * x30 + z1[i] * x31);
        sum0 += s0;
        sum1 += s1;
        sum2 += s2;
        sum3 += s3;
        tape[i] = s0 - s0 * s0;
        tape[L + i] = s1 - s1 * s1;
        tape[2 * L + i] = s2 - s2 * s2;
        tape[3 * L + i] = s3 - s3 * s3;
    }
    sums[0] += sum0;
    sums[1] += sum1;
    sums[2] += sum2;
    sums[3] += sum3;
}

static inline __attribute__((always_inline)) void pull(float *restrict g0, float *restrict g1, int64_t L,
                                                       const float *restrict tape, const float *x, const float *r) {
    float a0 = r[0] * x[0], a1 = r[2] * x[2], a2 = r[4] * x[4], a3 = r[6] * x[6];
    float b0 = r[0] * x[1], b1 = r[2] * x[3], b2 = r[4] * x[5], b3 = r[6] * x[7];
    for (int64_t i = 0; i < L; i++) {
        float t0 = tape[i], t1 = tape[L + i], t2 = tape[2 * L + i], t3 = tape[3 * L + i];
        g0[i] += t0 * a0 + t1 * a1 + t2 * a2 + t3 * a3;
        g1[i] += t0 * b0 + t1 * b1 + t2 * b2 + t3 * b3;
    }
}

/* What the loss asks of every lifted sample: r (M, 2) from the sums of predictions phi (2, M). */
static void cotangents(const Problem *p, int64_t M, const float *phi, const float *y, float *r) {
    float n = p->n, padding = 0.5f * (p->blocks * p->lanes - p->n);
    int64_t B = p->scheme == DA ? M : p->batch;
    for (int64_t b = 0; b < B; b++)
        if (p->scheme == FA) {
            const float *u = phi + 2 * b, *v = phi + M + 2 * b; /* nodes: the identity, the swap */
            float e0 = (u[0] + v[1] - 2 * padding) / (2 * n) - y[2 * b];
            float e1 = (v[0] + u[1] - 2 * padding) / (2 * n) - y[2 * b + 1];
            r[4 * b] = r[4 * b + 3] = e0 / B;
            r[4 * b + 1] = r[4 * b + 2] = e1 / B;
        } else {
            r[2 * b] = 2.0f / B * ((phi[b] - padding) / n - y[2 * b]);
            r[2 * b + 1] = 2.0f / B * ((phi[M + b] - padding) / n - y[2 * b + 1]);
        }
}

/* Projection, penalty and noise of one block, its force in g (4, L); normals : (4, rows). */
static void move(const Problem *p, int64_t block, uint64_t step, float *z, float *g, float *normals) {
    int64_t L = p->lanes, rows = (L + GROUP - 1) / GROUP * GROUP;
    float keep = 1.0f - p->rate * p->penalty, rate = -p->rate, amplitude = p->amplitude;
    int64_t equivariant = p->scheme == EA;
    if (amplitude != 0) fill_normals(p->key, step, block * L / GROUP, equivariant ? 1 : 2, rows, normals);
    if (equivariant) {
        float root = amplitude * 0.70710678118654752f;
        for (int64_t i = 0; i < L; i++) {
            float a = 0.5f * rate * (g[i] + g[3 * L + i]), b = 0.5f * rate * (g[L + i] + g[2 * L + i]);
            if (amplitude != 0) {
                a += root * normals[i];
                b += root * normals[rows + i];
            }
            z[i] = keep * z[i] + a;
            z[L + i] = keep * z[L + i] + b;
            z[2 * L + i] = keep * z[2 * L + i] + b;
            z[3 * L + i] = keep * z[3 * L + i] + a;
        }
    } else {
        for (int64_t k = 0; k < 4; k++) {
            float *row = z + k * L, *force = g + k * L, *xi = normals + k * rows;
            if (amplitude != 0)
                for (int64_t i = 0; i < L; i++) row[i] = keep * row[i] + rate * force[i] + amplitude * xi[i];
            else
                for (int64_t i = 0; i < L; i++) row[i] = keep * row[i] + rate * force[i];
        }
    }
    int64_t inside = p->n - block * L;
    for (int64_t k = 0; k < 4 && inside < L; k++) memset(z + k * L + inside, 0, (L - inside) * sizeof(float));
}

/* Move the blocked particles z through `steps` steps, the first of which is number `first`.
   x (steps, M, 2): the lifted samples, M a multiple of 4; the samples b of FA at 2 b and 2 b + 1.
   y (steps, M, 2), or (steps, M / 2, 2) for FA.  scratch: see scratch_size. */
void advance(const Problem *p, int64_t M, int64_t steps, uint64_t first, const float *x, const float *y, float *z,
             float *scratch) {
    int64_t L = p->lanes, rows = (L + GROUP - 1) / GROUP * GROUP, width = p->scheme == FA ? M / 2 : M;
    float phi[2 * MOST], r[2 * MOST];
    float *g = scratch, *normals = g + 4 * L, *tape = normals + 4 * rows;
    for (int64_t s = 0; s < steps; s++, x += 2 * M, y += 2 * width) {
        memset(phi, 0, sizeof phi);
        for (int64_t block = 0; block < p->blocks; block++) {
            float *q = tape + (p->kept ? block * 2 * M * L : 0);
            for (int64_t j = 0; j < 2; j++)
                for (int64_t m = 0; m < M; m += AT_ONCE, q += p->kept ? AT_ONCE * L : 0) {
                    const float *row = z + (4 * block + 2 * j) * L;
                    slopes(row, row + L, L, x + 2 * m, q, phi + j * M + m);
                }
        }
        cotangents(p, M, phi, y, r);
        for (int64_t block = p->blocks - 1; block >= 0; block--) { /* the last tapes are still in the cache */
            float *q = tape + (p->kept ? block * 2 * M * L : 0);
            memset(g, 0, 4 * L * sizeof(float));
            for (int64_t j = 0; j < 2; j++)
                for (int64_t m = 0; m < M; m += AT_ONCE, q += p->kept ? AT_ONCE * L : 0) {
                    const float *row = z + (4 * block + 2 * j) * L;
                    float unused[AT_ONCE] = {0};
                    if (!p->kept) slopes(row, row + L, L, x + 2 * m, q, unused);
                    pull(g + 2 * j * L, g + (2 * j + 1) * L, L, q, x + 2 * m, r + 2 * m + j);
                }
            move(p, block, first + s, z + 4 * block * L, g, normals);
        }
    }
}

/* Floats of scratch that `advance` needs. */
int64_t scratch_size(const Problem *p, int64_t M) {
    int64_t rows = (p->lanes + GROUP - 1) / GROUP * GROUP;
    return 4 * p->lanes + 4 * rows + 2 * M * p->lanes * (p->kept ? p->blocks : 2) + 64;
}
