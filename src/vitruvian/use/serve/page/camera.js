"use strict";
// The camera: frames are asked about one after the other, and shown with the answer to them.

const LONGEST = 640; // px of a frame that is sent

/** Calls `seen(frame)` with each frame, a JPEG, and waits for it; returns a function that stops it. */
async function openCamera(seen) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("The camera needs a page from this machine or over https: open the service as localhost.");
  }
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "environment" } });
  const video = html("video", { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  let running = true;
  const canvas = html("canvas");
  const loop = async () => {
    while (running) {
      const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const frame = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
      if (running && frame) await seen(frame);
      await new Promise(requestAnimationFrame);
    }
  };
  const stop = () => {
    running = false;
    for (const track of stream.getTracks()) track.stop();
  };
  stream.getVideoTracks()[0].addEventListener("ended", stop);
  loop();
  return stop;
}

/** What a refused camera means, in one line. */
function cameraProblem(error) {
  return (
    {
      NotAllowedError: "The camera was not allowed: allow it for this page in the browser, then try again.",
      NotFoundError: "There is no camera on this device.",
      NotReadableError: "Another program uses the camera: close it, then try again.",
    }[error.name] || error.message
  );
}
