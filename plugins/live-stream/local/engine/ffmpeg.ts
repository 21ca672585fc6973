import { spawn } from 'node:child_process'
import { MOVFLAGS, type RenditionName, STILL_WIDTH, type Task } from './engine.ts'

/** True where the system's ffmpeg can encode H.264. */
export function findFfmpeg(): Promise<boolean> {
  return new Promise(resolve => {
    const child = spawn('ffmpeg', ['-hide_banner', '-encoders'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
    })
    child.once('error', () => resolve(false))
    child.once('close', () => resolve(text.includes('libx264')))
  })
}

/** FLV on stdin, one fragmented MP4 for each rendition from file descriptor 3 on, then stills. */
export function ffmpegArguments({ renditions, video, stillSeconds }: Task): string[] {
  const stills = video && stillSeconds > 0
  // Where nothing is transcoded, only what a still may be made of is decoded.
  const decoding = stills && renditions.every(one => one === 'source')
  const input = [
    ...['-hide_banner', '-loglevel', 'error'],
    ...['-probesize', '500000', '-analyzeduration', '1500000'],
    ...(decoding ? ['-skip_frame', 'nokey'] : []),
    ...['-f', 'flv', '-i', 'pipe:0'],
  ]
  return [
    ...input,
    ...renditions.flatMap((rendition, i) => [...codecs(rendition, video), ...output(3 + i)]),
    ...(stills ? stillsTo(3 + renditions.length, stillSeconds) : []),
  ]
}

function stillsTo(fd: number, seconds: number): string[] {
  const select = `eq(pict_type\\,I)*(isnan(prev_selected_t)+gte(t-prev_selected_t\\,${seconds}))`
  return [
    ...['-map', '0:v:0', '-vf', `select=${select},scale='min(${STILL_WIDTH},iw)':-2`],
    ...[
      '-fps_mode',
      'passthrough',
      '-c:v',
      'mjpeg',
      '-threads',
      '1',
      '-pix_fmt',
      'yuvj420p',
      '-q:v',
      '5',
    ],
    ...['-f', 'image2pipe', '-flush_packets', '1', `pipe:${fd}`],
  ]
}

function codecs(rendition: RenditionName, video: boolean): string[] {
  const map = ['-map', '0:v:0?', '-map', '0:a:0?', '-c:a', 'copy']
  // Without video there are no keyframes to begin fragments with.
  if (!video) return [...map, '-frag_duration', '2000000']
  if (rendition === 'source') return [...map, '-c:v', 'copy']
  return [
    ...map,
    ...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency'],
    // A smaller source keeps its size: making it larger helps nobody.
    ...['-vf', "scale=-2:'min(480,trunc(ih/2)*2)'"],
    ...['-pix_fmt', 'yuv420p', '-b:v', '900k', '-maxrate', '1200k', '-bufsize', '1800k'],
    // Keyframes where the source has them, so that the renditions' segments line up.
    ...['-force_key_frames', 'source', '-sc_threshold', '0', '-g', '600', '-copyts'],
  ]
}

const output = (fd: number): string[] => [
  ...['-f', 'mp4', '-movflags', MOVFLAGS, '-flush_packets', '1', `pipe:${fd}`],
]
